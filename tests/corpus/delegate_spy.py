"""What LiteRT gave to XNNPACK, read from inside: a delegate of our own that takes nothing is applied behind it and looks at the
execution plan. Declarations are those of `core/c/common.h` of LiteRT 2.3.0."""

import ctypes as c

from ai_edge_litert.interpreter import Interpreter

DELEGATE = 51  # BuiltinOperator_DELEGATE
ALLOW_DYNAMIC_TENSORS = 1


class Context(c.Structure):
    pass


class Delegate(c.Structure):
    pass


class Node(c.Structure):
    _fields_ = [(name, c.c_void_p) for name in "inputs outputs intermediates temporaries user_data builtin_data custom_data".split()]


class Registration(c.Structure):
    _fields_ = [(name, c.c_void_p) for name in "init free prepare invoke profiling_string".split()] + [("builtin_code", c.c_int32)]


class Parameters(c.Structure):
    _fields_ = [("delegate", c.c_void_p), ("nodes", c.c_void_p)]


Prepare = c.CFUNCTYPE(c.c_int, c.POINTER(Context), c.POINTER(Delegate))
GetPlan = c.CFUNCTYPE(c.c_int, c.POINTER(Context), c.POINTER(c.c_void_p))
GetNode = c.CFUNCTYPE(c.c_int, c.POINTER(Context), c.c_int, c.POINTER(c.POINTER(Node)), c.POINTER(c.POINTER(Registration)))
Delegate._fields_ = [
    ("data", c.c_void_p), ("prepare", Prepare), ("copy_from", c.c_void_p), ("copy_to", c.c_void_p), ("free", c.c_void_p),
    ("flags", c.c_int64), ("opaque", c.c_void_p),
]
Context._fields_ = [
    ("tensors_size", c.c_size_t), ("get_plan", GetPlan), ("tensors", c.c_void_p), ("impl", c.c_void_p), ("resize", c.c_void_p),
    ("report", c.c_void_p), ("add", c.c_void_p), ("get_node", GetNode),
]


def numbers(array):
    """A TfLiteIntArray."""
    values = c.cast(array, c.POINTER(c.c_int))
    return [values[1 + n] for n in range(values[0])]


def sections(model):
    """For each subgraph whether XNNPACK runs a section, and the numbers of its ops; what is wrong with a model that does not load."""
    found = []

    def prepare(context, _):
        plan = c.c_void_p()
        context.contents.get_plan(context, c.byref(plan))
        graph = []
        for number in numbers(plan):
            node, registration = c.POINTER(Node)(), c.POINTER(Registration)()
            context.contents.get_node(context, number, c.byref(node), c.byref(registration))
            if registration.contents.builtin_code == DELEGATE:
                parameters = c.cast(node.contents.builtin_data, c.POINTER(Parameters)).contents
                graph.append([True, numbers(parameters.nodes)])
            elif graph and not graph[-1][0]:
                graph[-1][1].append(number)
            else:
                graph.append([False, [number]])
        found.append(graph)
        return 0

    callback = Prepare(prepare)
    spy = Delegate(None, callback, None, None, None, ALLOW_DYNAMIC_TENSORS, None)
    try:
        interpreter = Interpreter(model_path=model, num_threads=1)
        interpreter.allocate_tensors()
        interpreter._interpreter.ModifyGraphWithDelegate(c.addressof(spy))
    except Exception as error:
        return " ".join(str(error).split())[:200]
    return found
