"""CPU seconds and peak memory of tfq-opt against ai-edge-quantizer, whole process, same file, in turn.

    python3 benches/whole_process/compare.py [--runs 5] [--layers 16] [MODEL ...]

Makes a virtual environment under target/ with ai-edge-quantizer 0.10.0 and, unless models are named, a float model of
4096x4096 FULLY_CONNECTED layers (16 of them make 1 GiB). Run it on a quiet machine; build with `cargo build --release`.
"""

import argparse
import os
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / "target" / "bench-venv"
OUT = ROOT / "target" / "bench"


def venv():
    if not (VENV / "bin" / "aeq").exists():
        subprocess.run([sys.executable, "-m", "venv", VENV], check=True)
        packages = ["ai-edge-quantizer==0.10.0", "flatbuffers", "numpy"]
        subprocess.run([VENV / "bin" / "pip", "install", "-q", *packages], check=True)


def private_memory(pid, stop, peak):
    """Largest RssAnon, polled: pages of mapped files are not the process's own."""
    while not stop.is_set():
        try:
            for line in Path(f"/proc/{pid}/status").read_text().splitlines():
                if line.startswith("RssAnon"):
                    peak[0] = max(peak[0], int(line.split()[1]) * 1024)
        except OSError:
            return
        time.sleep(0.0005)


def measure(command):
    """CPU seconds and wall seconds of one run."""
    start = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.monotonic() - start
    if status:
        sys.exit(f"{command[0]} failed")
    return usage.ru_utime + usage.ru_stime, wall


def peak_memory(command):
    """Peak private bytes of one run. Watching takes time of it, so that it is not timed."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    peak, stop = [0], threading.Event()
    watcher = threading.Thread(target=private_memory, args=(process.pid, stop, peak))
    watcher.start()
    status = process.wait()
    stop.set()
    watcher.join()
    if status:
        sys.exit(f"{command[0]} failed")
    return peak[0]


def returned_memory():
    """MiB of free memory that this virtual machine gave back to its host, if it counts them."""
    try:
        return int(Path("/sys/module/page_reporting/parameters/reported_kib").read_text()) >> 10
    except OSError:
        return 0


def measure_in_turn(commands, runs):
    """Medians of CPU and wall seconds, and peak private bytes, of each command by name."""
    rows = {name: [] for name in commands}
    peaks = {name: peak_memory(command) for name, command in commands.items()}
    returned = returned_memory()
    for _ in range(runs):
        for name, command in commands.items():
            rows[name].append(measure(command))
    if returned_memory() > returned:
        # 256 MB written into such pages take half a second in place of a tenth.
        print(f"meanwhile the machine gave {returned_memory() - returned} MiB of free memory back to its host; runs that")
        quickest = ", ".join(f"{name} {1e3 * min(rows[name])[0]:.1f}" for name in commands)
        print(f"got it again took longer. The quickest of each, in CPU-ms: {quickest}")
    return {name: (*map(statistics.median, zip(*rows[name])), peaks[name]) for name in commands}


def show(name, cpu, wall, peak):
    print(f"  {name:18} {1e3 * cpu:10.1f} CPU-ms {1e3 * wall:10.1f} ms {peak / 2**20:8.1f} MiB private")


def compare(model, runs):
    ours_out = OUT / "ours.tflite"
    ours = [ROOT / "target" / "release" / "tfq-opt", "-q", model, "-o", ours_out]
    aeq = [VENV / "bin" / "aeq", "--model_file", model, "--recipe", "dynamic_wi8_afp32"]
    aeq += ["--output_dir", OUT / "aeq", "--overwrite_outputs"]
    (OUT / "aeq").mkdir(parents=True, exist_ok=True)
    commands = {"tfq-opt": ours, "ai-edge-quantizer": aeq}
    medians = measure_in_turn(commands, runs)
    print(f"{model}: {os.path.getsize(model)} bytes, {runs} runs each in turn, medians")
    for name, row in medians.items():
        show(name, *row)
    ratio = medians["ai-edge-quantizer"][0] / medians["tfq-opt"][0]
    print(f"  {ratio:.1f} times less CPU; our file has {os.path.getsize(ours_out)} bytes")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--layers", type=int, default=16)
    parser.add_argument("models", nargs="*", metavar="MODEL")
    args = parser.parse_args()
    OUT.mkdir(parents=True, exist_ok=True)
    venv()
    models = args.models
    if not models:
        raw, made = OUT / "fc_outside.tflite", OUT / "fc.tflite"
        if not made.exists():
            script = Path(__file__).with_name("make_model.py")
            subprocess.run([VENV / "bin" / "python", script, str(args.layers), raw], check=True)
            tool = ROOT / "target" / "release" / "tfq-opt"
            subprocess.run([tool, "-q", raw, "--passes=", "--constants=inline", "-o", made], check=True)
            raw.unlink()
        models = [made]
    for model in models:
        compare(model, args.runs)


if __name__ == "__main__":
    main()
