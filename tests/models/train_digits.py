"""Trains four small classifiers on scikit-learn's digits and converts them to float .tflite.

    python train_digits.py [OUT_DIR]          (default: digits/ beside this file)

The models are what a user would really hand to the optimiser: made by TensorFlow's own converter, trained until
they classify, so that the cost of quantising them can be measured as accuracy. README.md lists the versions that
made the committed files.
"""

import os
import pathlib
import sys

# Before TensorFlow is imported: one numeric path, so that a second run gives the same bytes.
os.environ["TF_USE_LEGACY_KERAS"] = "1"  # Keras 3 does not emit the fused LSTM
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import tensorflow as tf
import tf_keras as keras
from sklearn.datasets import load_digits

SEED = 20
TEST_STEP = 5  # every fifth of the 1797 images is kept from training: 360 to test with
layers = keras.layers


def digits():
    """((train x, y), (test x, y)), pixels 0..16 as float32 0..1, shape [n, 8, 8]."""
    data = load_digits()
    x = (data.images / 16.0).astype(np.float32)
    y = data.target.astype(np.int64)
    test = np.arange(len(x)) % TEST_STEP == 0
    return (x[~test], y[~test]), (x[test], y[test])


def cnn(batch):
    """Two convolutions and two dense layers; the second convolution and the dense ones are worth quantising."""
    return keras.Sequential([
        layers.Input([8, 8], batch_size=batch, name="pixels"),
        layers.Reshape([8, 8, 1]),
        layers.Conv2D(12, 3, padding="same", activation="relu", name="conv1"),
        layers.Conv2D(24, 3, padding="same", activation="relu", strides=2, name="conv2"),
        layers.Flatten(),
        layers.Dense(24, activation="relu", name="hidden"),
        layers.Dense(10, activation="softmax", name="digit"),
    ])


def depthwise(batch):
    """Separable convolutions: depthwise weights stay small, pointwise ones exceed 1024 elements."""
    return keras.Sequential([
        layers.Input([8, 8], batch_size=batch, name="pixels"),
        layers.Reshape([8, 8, 1]),
        layers.Conv2D(32, 3, padding="same", activation="relu", name="stem"),
        layers.DepthwiseConv2D(3, padding="same", activation="relu", name="depthwise1"),
        layers.Conv2D(48, 1, activation="relu", name="pointwise1"),
        layers.DepthwiseConv2D(5, strides=2, padding="same", activation="relu", name="depthwise2"),
        layers.Conv2D(48, 1, activation="relu", name="pointwise2"),
        layers.GlobalAveragePooling2D(),
        layers.Dense(10, activation="softmax", name="digit"),
    ])


def lstm(batch):
    """The eight rows as a sequence through one LSTM, which the converter fuses into a single op."""
    return keras.Sequential([
        layers.Input([8, 8], batch_size=batch, name="rows"),
        layers.LSTM(32, name="lstm"),
        layers.Dense(10, activation="softmax", name="digit"),
    ])


def gru(batch):
    """The same through a GRU, for which there is no fused op: it becomes a WHILE with weights in its body."""
    return keras.Sequential([
        layers.Input([8, 8], batch_size=batch, name="rows"),
        layers.GRU(32, name="gru"),
        layers.Dense(10, activation="softmax", name="digit"),
    ])


# name -> (network, epochs)
MODELS = {
    "digits_cnn": (cnn, 40),
    "digits_depthwise": (depthwise, 60),
    "digits_lstm": (lstm, 60),
    "digits_gru": (gru, 60),
}


def train(build, epochs, x, y):
    keras.backend.clear_session()  # layer names would otherwise depend on the models made before
    keras.utils.set_random_seed(SEED)
    trained = build(None)
    trained.compile(keras.optimizers.legacy.Adam(3e-3), "sparse_categorical_crossentropy")
    trained.fit(x, y, batch_size=64, epochs=epochs, verbose=0)
    single = build(1)  # the same network with static shapes, as it would be shipped
    single.set_weights(trained.get_weights())
    return single


def convert(model):
    """Float conversion with nothing optional: the input this project exists for."""
    run = tf.function(lambda x: model(x, training=False), autograph=False)
    spec = tf.TensorSpec(model.input_shape, tf.float32, name="pixels")
    converter = tf.lite.TFLiteConverter.from_concrete_functions([run.get_concrete_function(spec)], model)
    return converter.convert()


def classify(content, x):
    interpreter = tf.lite.Interpreter(model_content=content, num_threads=1)
    interpreter.allocate_tensors()
    source, sink = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
    answers = []
    for image in x:
        interpreter.reset_all_variables()  # the fused LSTM would start from the state the last image left
        interpreter.set_tensor(source, image[None])
        interpreter.invoke()
        answers.append(interpreter.get_tensor(sink)[0].argmax())
    return np.array(answers)


def write_samples(out, x, y):
    """Inputs as raw bytes (pixel value 0..16, divide by 16) so that a test in any language can read them."""
    (out / "digits_test_images.u8").write_bytes(np.round(x * 16).astype(np.uint8).tobytes())
    (out / "digits_test_labels.u8").write_bytes(y.astype(np.uint8).tobytes())


def main():
    out = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).parent / "digits"
    out.mkdir(parents=True, exist_ok=True)
    tf.config.experimental.enable_op_determinism()
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.config.threading.set_intra_op_parallelism_threads(1)
    (x, y), (test_x, test_y) = digits()
    for name, (build, epochs) in MODELS.items():
        content = convert(train(build, epochs, x, y))
        (out / f"{name}.tflite").write_bytes(content)
        right = int((classify(content, test_x) == test_y).sum())
        print(f"{name}: {len(content)} bytes, {right}/{len(test_y)} right ({right / len(test_y):.1%})", flush=True)
    write_samples(out, test_x, test_y)


if __name__ == "__main__":
    main()
