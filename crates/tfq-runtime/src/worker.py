"""Runs models with the Python package ai_edge_litert, for tfq-opt: see protocol.rs.

What the C API does not offer: the values of tensors inside of a model.
"""

import ctypes
import json
import os
import select
import signal
import struct
import sys
import threading
import time

answers = os.fdopen(os.dup(1), "wb")
os.dup2(2, 1)  # what the runtime prints must not land between answers


def end_with_parent():
    """Waits until standard input is closed, which is when the process that asks has ended."""
    pipe = select.poll()
    pipe.register(0, 0)
    pipe.poll()
    os.kill(os.getpid(), signal.SIGKILL)


if sys.platform == "linux":
    # The thread below must wait where the runtime does not let other threads of Python run.
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
if hasattr(select, "poll"):
    threading.Thread(target=end_with_parent, daemon=True).start()

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

RESOLVERS = {
    "reference": OpResolverType.BUILTIN_REF,
    "optimized": OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    "xnnpack": OpResolverType.AUTO,
}
NAMES = {"bool": "BOOL", "object": "STRING", "bytes": "STRING", "str": "STRING"}


class Failed(Exception):
    def __init__(self, stage, message):
        self.stage, self.message = stage, " ".join(str(message).split())


def type_name(dtype):
    dtype = np.dtype(dtype)
    return "STRING" if dtype.kind in "OSU" else NAMES.get(dtype.name, dtype.name.upper())


def port(name, detail):
    signature = detail["shape_signature"]
    shape = signature if len(signature) == len(detail["shape"]) else detail["shape"]
    return {"name": name, "ty": type_name(detail["dtype"]), "shape": [int(d) for d in shape]}


class Model:
    def __init__(self, path, kernels, threads, keep):
        try:
            self.interpreter = Interpreter(
                model_path=path,
                num_threads=threads,
                experimental_op_resolver_type=RESOLVERS[kernels],
                experimental_preserve_all_tensors=keep,
            )
        except Exception as error:
            raise Failed("load", error)
        self.subgraph = 0
        self.has_run = False
        self.keys = sorted(self.interpreter.get_signature_list() or {})

    def signatures(self):
        if not self.keys:
            inputs, outputs = self.interpreter.get_input_details(), self.interpreter.get_output_details()
            return [
                {
                    "key": None,
                    "inputs": [port(detail["name"], detail) for detail in inputs],
                    "outputs": [port(detail["name"], detail) for detail in outputs],
                }
            ]
        found = []
        for key in self.keys:
            try:
                runner = self.interpreter.get_signature_runner(key)
            except Exception as error:
                raise Failed("prepare", error)
            sides = [
                [port(name, detail) for name, detail in sorted(side.items())]
                for side in (runner.get_input_details(), runner.get_output_details())
            ]
            found.append({"key": key, "inputs": sides[0], "outputs": sides[1]})
        return found

    def run(self, signature, values):
        # A run depends on its inputs alone, not on what was run before.
        if self.has_run:
            self.reset()
        outputs = self.run_signature(self.keys[signature], values) if self.keys else self.run_main(values)
        self.has_run = True
        return outputs

    def reset(self):
        wrapper = self.interpreter._interpreter
        try:
            for key in self.keys:  # what has not run may have no memory, which resetting wants
                wrapper.AllocateTensors(wrapper.GetSubgraphIndexFromSignature(key))
            self.interpreter.reset_all_variables()
        except Exception as error:
            raise Failed("prepare", error)

    def run_main(self, values):
        details = self.interpreter.get_input_details()
        try:
            for detail, value in zip(details, values):
                if list(detail["shape"]) != list(value.shape):
                    self.interpreter.resize_tensor_input(detail["index"], value.shape)
            self.interpreter.allocate_tensors()
        except Exception as error:
            raise Failed("prepare", error)
        try:
            for detail, value in zip(details, values):
                self.interpreter.set_tensor(detail["index"], value)
        except Exception as error:
            raise Failed("input", error)
        try:
            self.interpreter.invoke()
        except Exception as error:
            raise Failed("invoke", error)
        try:
            return [self.interpreter.get_tensor(d["index"]) for d in self.interpreter.get_output_details()]
        except Exception as error:
            raise Failed("output", error)

    def run_signature(self, key, values):
        try:
            runner = self.interpreter.get_signature_runner(key)
            self.subgraph = runner._subgraph_index
            names = sorted(runner.get_input_details())
            outputs = runner(**dict(zip(names, values)))
        except Exception as error:
            raise Failed("invoke", error)
        return [outputs[name] for name in sorted(outputs)]

    def again(self, runs):
        """Seconds of each of some runs on the inputs of the last one."""
        wrapper, subgraph = self.interpreter._interpreter, self.subgraph
        times = []
        for _ in range(runs):
            start = time.perf_counter()
            wrapper.Invoke(subgraph)
            times.append(time.perf_counter() - start)
        return times

    def tensor(self, index, subgraph):
        try:
            return self.interpreter.get_tensor(index, subgraph)
        except Exception as error:  # an op that did not run, or a type without values
            raise Failed("output", error)


def send(body, arrays=()):
    arrays = [np.ascontiguousarray(a).reshape(np.shape(a)) for a in arrays]
    for array in arrays:
        if array.dtype.kind in "OSU":
            raise Failed("output", "strings cannot be passed on")
    body["values"] = [
        {"ty": type_name(a.dtype), "shape": list(a.shape), "bytes": a.nbytes} for a in arrays
    ]
    text = json.dumps(body).encode()
    answers.write(struct.pack("<I", len(text)) + text)
    for array in arrays:
        answers.write(array.tobytes())
    answers.flush()


def receive():
    head = sys.stdin.buffer.read(4)
    if len(head) < 4:
        sys.exit(0)
    body = json.loads(sys.stdin.buffer.read(struct.unpack("<I", head)[0]))
    values = []
    for header in body.get("values", []):
        data = sys.stdin.buffer.read(header["bytes"])
        dtype = np.dtype(header["ty"].lower())
        values.append(np.frombuffer(data, dtype).reshape(header["shape"]).copy())
    return body, values


def memory():
    with open("/proc/self/status", encoding="ascii") as file:
        lines = dict(line.split(":", 1) for line in file)
    names = {"resident": "VmRSS", "anonymous": "RssAnon", "peak": "VmHWM"}
    return {name: 1024 * int(lines[line].split()[0]) for name, line in names.items()}


models = []


def answer(body, values):
    what = body["do"]
    if what == "load":
        model = Model(body["path"], body["kernels"], body["threads"], body["keep"])
        signatures = model.signatures()
        models.append(model)
        send({"loaded": {"model": len(models) - 1, "signatures": signatures}})
    elif what == "run":
        send({"done": {}}, models[body["model"]].run(body["signature"], values))
    elif what == "hello":
        send({"done": {}})
    elif what == "again":
        send({"times": models[body["model"]].again(body["runs"])})
    elif what == "memory":
        send({"memory": memory()})
    elif what == "tensor":
        send({"done": {}}, [models[body["model"]].tensor(body["tensor"], body["subgraph"])])
    else:
        raise Failed("library", f"the Python worker cannot do `{what}`")


while True:
    body, values = receive()
    try:
        answer(body, values)
    except Failed as failed:
        send({"error": {"stage": failed.stage, "message": failed.message}})
    except MemoryError as error:
        send({"error": {"stage": "output", "message": f"out of memory: {error}"}})
