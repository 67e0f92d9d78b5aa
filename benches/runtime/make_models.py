#!/usr/bin/env python3
"""Makes float models of common architectures, with random weights, for latency.py.

    python make_models.py OUT_DIR          (packages: ../../tests/models/requirements.txt)

Latency does not depend on the values of weights. Each model comes in the batch sizes of MODELS, as NAME_bN.tflite.
"""

import os
import pathlib
import sys

os.environ["TF_USE_LEGACY_KERAS"] = "1"  # Keras 3 does not emit the fused LSTM
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import tensorflow as tf
import tf_keras as keras

layers = keras.layers


def mobilenet_v2(batch):
    return keras.applications.MobileNetV2(weights=None, input_tensor=layers.Input([224, 224, 3], batch_size=batch))


def resnet_50(batch):
    return keras.applications.ResNet50(weights=None, input_tensor=layers.Input([224, 224, 3], batch_size=batch))


def mlp(batch):
    return keras.Sequential([
        layers.Input([784], batch_size=batch),
        layers.Dense(2048, activation="relu"),
        layers.Dense(2048, activation="relu"),
        layers.Dense(10),
    ])


def lstm(batch):
    """Two layers of 256 units over 64 steps, one fused op each."""
    return keras.Sequential([
        layers.Input([64, 128], batch_size=batch),
        layers.LSTM(256, return_sequences=True),
        layers.LSTM(256),
        layers.Dense(32),
    ])


def transformer(batch, steps=128, width=256, blocks=4):
    """Encoder blocks as in BERT: attention of 4 heads and two dense layers of 4 times the width."""
    x = source = layers.Input([steps, width], batch_size=batch)
    for _ in range(blocks):
        attended = layers.MultiHeadAttention(4, width // 4)(x, x)
        x = layers.LayerNormalization()(layers.Add()([x, attended]))
        dense = layers.Dense(width)(layers.Dense(4 * width, activation="relu")(x))
        x = layers.LayerNormalization()(layers.Add()([x, dense]))
    return keras.Model(source, x)


# network and batch sizes
MODELS = {
    "mobilenet_v2": (mobilenet_v2, [1, 4]),
    "resnet_50": (resnet_50, [1]),
    "mlp": (mlp, [1, 16, 64]),
    "lstm": (lstm, [1, 8]),
    "transformer": (transformer, [1]),
}


def convert(model):
    """Float conversion with nothing optional."""
    run = tf.function(lambda x: model(x, training=False), autograph=False)
    spec = tf.TensorSpec(model.input_shape, tf.float32)
    return tf.lite.TFLiteConverter.from_concrete_functions([run.get_concrete_function(spec)], model).convert()


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    out = pathlib.Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    for name, (build, batches) in MODELS.items():
        for batch in batches:
            keras.backend.clear_session()
            keras.utils.set_random_seed(1)
            content = convert(build(batch))
            (out / f"{name}_b{batch}.tflite").write_bytes(content)
            print(f"{name}_b{batch}: {len(content)} bytes", flush=True)


if __name__ == "__main__":
    main()
