"""Inputs as models meet them: speech, sounds, photographs, digits, motions, and the states of networks that stream.

Nothing is recorded: words are spoken by espeak-ng (of the package espeakng-loader), photographs are those that come with
scikit-image, digits those of tests/models/digits. The same numbers come out for the same seed.
"""

from __future__ import annotations

import ctypes
import pathlib

import numpy as np
from PIL import Image

ROOT = pathlib.Path(__file__).resolve().parents[2]
# "mike roft" is how espeak-ng says mycroft.
WORDS = (
    "alexa|hey jarvis|hey mike roft|hey rhasspy|okay nabu|yes|no|on|off|left|right|up|down|stop|go|seven|what time is it|"
    "turn the kitchen light off please|the weather is fine and the birds are singing"
).split("|")
PHOTOS = ["astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg", "motorcycle_left.png", "camera.png"]
# The waves of a heartbeat: the middle and width of each as parts of the whole, and its height.
WAVES = [(0.2, 0.03, 0.15), (0.36, 0.01, -0.15), (0.4, 0.012, 1), (0.44, 0.012, -0.3), (0.68, 0.06, 0.3)]
# Where in astronaut.png there is a person, her face, and an eye of hers: left, top, and length of a side.
BOXES = {"person": (20, 0, 480), "face": (140, 20, 170), "eye": (178, 76, 50)}


def spoken(folder: pathlib.Path):
    """All words, at some pitches each: floats at 22 050 Hz by word. In one go, as each sounds a bit of the one before."""
    library = ctypes.CDLL(str(next(folder.rglob("libespeak-ng.so"))))
    heard = []

    @ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)
    def hear(wave, length, _):
        if wave and length > 0:
            heard.append(np.ctypeslib.as_array(wave, (length,)).copy())
        return 0

    data = next(folder.rglob("espeak-ng-data"))
    if library.espeak_Initialize(1, 0, str(data).encode(), 0) != 22050:  # 1: hand the samples over, do not play them
        raise OSError("espeak-ng does not start")
    library.espeak_SetSynthCallback(hear)
    library.espeak_SetVoiceByName(b"en-us")
    waves = {}
    for word in WORDS:
        waves[word] = []
        for pitch in (20, 35, 50, 65, 80):
            library.espeak_SetParameter(3, pitch, 0)
            library.espeak_Synth(word.encode(), len(word) + 1, 0, 0, 0, 1, None, None)
            library.espeak_Synchronize()
            waves[word].append(np.concatenate(heard) / 32768)
            heard.clear()
    library.espeak_Terminate()
    return waves


def resampled(wave, rate, new_rate):
    length = int(len(wave) * new_rate / rate)
    return np.fft.irfft(np.fft.rfft(wave)[: length // 2 + 1], length) * length / len(wave)


def mel_bank(bands, bins, rate, low, high):
    """Triangles over the bins of a spectrum, evenly spaced in mel."""
    mel = lambda hertz: 1127 * np.log1p(hertz / 700)
    edges = np.linspace(mel(low), mel(high), bands + 2)
    at = mel(np.linspace(0, rate / 2, bins))
    rising = (at - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - at) / (edges[2:] - edges[1:-1])[:, None]
    return np.maximum(0, np.minimum(rising, falling))


class Samples:
    def __init__(self, speech: pathlib.Path, pictures: pathlib.Path):
        self.words = spoken(speech)
        self.restart(0)
        folder = next(pictures.rglob("astronaut.png")).parent
        self.photos = [Image.open(folder / name).convert("RGB") for name in PHOTOS]
        images = np.frombuffer((ROOT / "tests/models/digits/digits_test_images.u8").read_bytes(), np.uint8)
        self.images = images.reshape(-1, 8, 8)

    def restart(self, seed):
        self.rng = np.random.default_rng(seed)

    # Sounds

    def music(self, rate, length):
        """Notes with overtones that die away, as of a string that is plucked."""
        time, wave = np.arange(length) / rate, np.zeros(length)
        for _ in range(self.rng.integers(3, 8)):
            start, pitch = self.rng.uniform(0, length / rate), 55 * 2 ** (self.rng.integers(0, 48) / 12)
            since = np.maximum(0, time - start)
            for overtone in range(1, 7):
                if overtone * pitch < rate / 2:
                    fade = np.exp(-since * (2 + overtone)) * (time >= start) / overtone
                    wave += fade * np.sin(2 * np.pi * overtone * pitch * since)
        return wave

    def birdsong(self, rate, length):
        """Short whistles that glide and tremble between 1.5 and 7 kHz."""
        time, wave = np.arange(length) / rate, np.zeros(length)
        for _ in range(self.rng.integers(4, 12)):
            start, lasts = self.rng.uniform(0, length / rate), self.rng.uniform(0.05, 0.4)
            inside = (time >= start) & (time < start + lasts)
            part = (time[inside] - start) / lasts
            first, last = self.rng.uniform(1500, min(7000, 0.4 * rate), 2)
            hertz = first + (last - first) * part + 150 * np.sin(2 * np.pi * self.rng.uniform(1, 12) * part)
            wave[inside] += np.sin(np.pi * part) * np.sin(2 * np.pi * np.cumsum(hertz) / rate)
        return wave

    def speech(self, rate, length, words=WORDS):
        wave, at = np.zeros(length), 0
        while at < length:
            waves = self.words[words[self.rng.integers(len(words))]]
            word = resampled(waves[self.rng.integers(len(waves))], 22050, rate)[: length - at]
            wave[at : at + len(word)] += word
            at += len(word) + int(self.rng.uniform(0.1, 0.5) * rate)
        return wave

    def sound(self, rate, length, number, of=("speech", "birdsong", "music", "speech", "silence")):
        """One clip within -1 and 1: 30 dB between the loudest and the softest, with noise behind it.

        What is heard is the one of the kinds `of` whose turn it is; one of the words is said again and again.
        """
        kind = of[number % len(of)]
        if kind in self.words:
            wave = self.speech(rate, length, [kind])
        else:
            wave = np.zeros(length) if kind == "silence" else getattr(self, kind)(rate, length)
        wave = wave / max(1e-9, np.abs(wave).max()) * 10 ** (-self.rng.uniform(2, 32) / 20)
        return (wave + self.rng.normal(0, 10 ** (-self.rng.uniform(50, 80) / 20), length)).astype(np.float32)

    def log_mel(self, frames, bands, number, low, high):
        """The loudest 40 dB of a log-mel spectrogram of speech at 16 kHz, as numbers from `low` to `high`."""
        wave = self.sound(16000, frames * 160 + 320, number, ("speech",))
        spans = np.lib.stride_tricks.sliding_window_view(wave, 480)[::160] * np.hanning(480)
        power = np.abs(np.fft.rfft(spans, 512)) ** 2
        level = 10 * np.log10(power @ mel_bank(bands, 257, 16000, 125, 7500).T + 1e-10)
        return (low + (high - low) * np.clip((level - level.max() + 40) / 40, 0, 1)).astype(np.float32)

    # Pictures

    def picture(self, height, width, subject=None):
        """A part of a photograph, of values from 0 to 1: of any, or of what is shown of the person in one of them."""
        photo = self.photos[0 if subject else self.rng.integers(len(self.photos))]
        if subject:
            left, top, side = BOXES[subject]
            side *= self.rng.uniform(0.9, 1.3)
            left, top = (at + self.rng.uniform(-0.15, 0.1) * side for at in (left, top))
        else:
            side = min(photo.size) * self.rng.uniform(0.4, 1)
            left, top = self.rng.uniform(0, photo.width - side), self.rng.uniform(0, photo.height - side)
        part = photo.resize((width, height), Image.Resampling.BILINEAR, self.within(photo, left, top, side))
        values = np.asarray(part, np.float32) / 255
        values = values[:, ::-1] if self.rng.integers(2) else values
        return np.clip(values * self.rng.uniform(0.7, 1.2), 0, 1)

    @staticmethod
    def within(photo, left, top, side):
        side = min(side, *photo.size)
        left, top = np.clip(left, 0, photo.width - side), np.clip(top, 0, photo.height - side)
        return left, top, left + side, top + side

    def digit(self, side):
        """A digit of 20 by 20 in the middle of an image of 28 by 28, or as it is at 8 by 8; values from 0 to 1."""
        image = self.images[self.rng.integers(len(self.images))].astype(np.float32) / 16
        if side == 8:
            return image
        large = Image.fromarray(image).resize((20, 20), Image.Resampling.BICUBIC)
        return np.clip(np.pad(np.asarray(large), (side - 20) // 2), 0, 1)

    # Other sensors

    def motion(self, length):
        """Thousandths of g along three axes at 25 Hz: gravity, and a hand that draws a ring, a slope or nothing."""
        part = np.linspace(0, 1, length)
        gravity = self.rng.normal(size=3)
        moved = np.zeros((length, 3))
        turn = 2 * np.pi * self.rng.uniform(1, 4) * part
        shape = self.rng.integers(3)
        if shape == 0:
            moved[:, :2] = np.stack([np.cos(turn), np.sin(turn)], 1)
        elif shape == 1:
            moved[:, 1:] = np.stack([np.sign(np.sin(turn)), np.abs(np.sin(turn))], 1)
        moved *= self.rng.uniform(200, 1500) * (np.sin(np.pi * part) ** 2)[:, None]
        return (1000 * gravity / np.linalg.norm(gravity) + moved + self.rng.normal(0, 20, (length, 3))).astype(np.float32)

    def heartbeat(self, length):
        """One beat of an electrocardiogram, from 0 to 1: the waves P, Q, R, S and T with the spread that people have."""
        at = np.linspace(0, 1, length)
        wave = np.zeros(length)
        for middle, width, height in WAVES:
            middle, width = middle + self.rng.normal(0, 0.01), width * self.rng.uniform(0.8, 1.3)
            wave += height * self.rng.uniform(0.7, 1.3) * np.exp(-(((at - middle) / width) ** 2) / 2)
        wave += self.rng.normal(0, 0.01, length)
        return ((wave - wave.min()) / (wave.max() - wave.min())).astype(np.float32)

    def place_and_week(self):
        return np.array([self.rng.uniform(-60, 75), self.rng.uniform(-180, 180), self.rng.integers(1, 49)], np.float32)

    def uniform(self, shape, dtype):
        if dtype == np.bool_:
            return np.zeros(shape, bool) if len(shape) else np.array(self.rng.integers(2), bool)
        if np.issubdtype(dtype, np.integer):
            return self.rng.integers(0, 10, shape).astype(dtype)
        return self.rng.uniform(-1, 1, shape).astype(dtype)
