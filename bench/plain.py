"""The plain way of the same work: library transforms and layers as they come, one process, float32,
no batching tricks."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import keras
import numpy as np
import soundfile
from pymicro_features import MicroFrontend

from trainer.audio.io import SAMPLE_RATE_HZ, to_int16
from trainer.audio.micro_frontend import FEATURE_STEP
from trainer.store import Clips
from trainer.wakeword.frames import Frames


def synthesis_rate(seconds: float) -> float:
    """Clips per second of the espeak-ng program, a process a clip."""
    start, count = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        subprocess.run(["espeak-ng", "-w", "/dev/null", "-v", "en-us+m3", "hey buster"], check=True)
        count += 1
    return count / (time.perf_counter() - start)


class Audiomentations:
    """The reference's chain and probabilities (its notebook), transforms of audiomentations in its
    order."""

    def __init__(self, rooms: Path, noises: Path, home: Path) -> None:
        import audiomentations as a

        for name, folder in (("room", rooms), ("noise", noises)):
            (home / f"{name}_wav").mkdir()
            store = Clips(folder)
            for i in range(min(len(store), 50)):
                soundfile.write(home / f"{name}_wav" / f"{i}.wav", store[i], SAMPLE_RATE_HZ)
        self._chain = a.Compose(
            [
                a.SevenBandParametricEQ(-6, 6, p=0.1),
                a.TanhDistortion(0.0001, 0.1, p=0.1),
                a.PitchShift(-3, 3, p=0.1),
                a.BandStopFilter(p=0.1),
                a.AddColorNoise(10, 30, p=0.1),
                a.AddBackgroundNoise(str(home / "noise_wav"), -5, 10, p=0.75),
                a.Gain(-45, 0, p=1.0),
                a.ApplyImpulseResponse(str(home / "room_wav"), p=0.5),
                a.Normalize(apply_to="only_too_loud_sounds", p=1.0),
            ]
        )

        for _ in range(100):  # numba compiles each transform when it is first drawn
            self.clip(np.random.default_rng(0).normal(0, 0.1, 10_000).astype(np.float32))

    def __call__(self, word: np.ndarray) -> int:
        """Change one clip of 3.2 s; says 1."""
        self.clip(word)
        return 1

    def clip(self, word: np.ndarray) -> np.ndarray:
        """A word, padded on the left to 3.2 s, changed."""
        padded = np.zeros(int(3.2 * SAMPLE_RATE_HZ), np.float32)
        word = word[-len(padded) + 3200 :]
        padded[-len(word) - 3200 : -3200] = word
        return self._chain(padded, SAMPLE_RATE_HZ)


def stored_rate(chain: Audiomentations, words: Clips, seconds: float) -> float:
    """Clips per second through augmentation, the front-end's Python call and ten shifted float32
    copies."""
    start, count = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        front_end, rows = MicroFrontend(), []
        audio = to_int16(chain.clip(words[count % len(words)])).tobytes()
        for at in range(0, len(audio) - 319, 320):
            values = front_end.process_samples(audio[at : at + 320]).features
            if values:
                rows.append(values)
        features = np.array(rows, np.float32)
        np.stack([features[shift : len(features) - 10 + shift] for shift in range(10)]).tobytes()
        count += 1
    return count / (time.perf_counter() - start)


def training_rate(features: Path, seconds: float) -> float:
    """Steps per second of the same network in Conv2D and DepthwiseConv2D layers, `train_on_batch`,
    batches picked row by row."""
    layers = keras.layers
    given = keras.Input((204, 40))
    x = layers.Reshape((204, 1, 40))(given)
    x = layers.Conv2D(32, (5, 1), (3, 1), use_bias=False, activation="relu")(x)
    for kernels in ((5,), (7, 11), (9, 15), (23,)):
        parts = (
            [x] if len(kernels) == 1 else [x[..., : x.shape[-1] // 2], x[..., x.shape[-1] // 2 :]]
        )
        done = [
            layers.DepthwiseConv2D((k, 1))(part) for k, part in zip(kernels, parts, strict=True)
        ]
        rows = min(d.shape[1] for d in done)
        done = [d[:, d.shape[1] - rows :] for d in done]
        x = done[0] if len(done) == 1 else layers.Concatenate()(done)
        x = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(64, 1, use_bias=False)(x)))
    model = keras.Model(given, layers.Dense(1, activation="sigmoid")(layers.Flatten()(x)))
    model.compile("adam", "binary_crossentropy")
    frames, rng = Frames(features), np.random.default_rng(0)
    labels = (rng.random((128, 1)) < 0.3).astype(np.float32)

    def step() -> None:
        batch = np.stack(
            [
                frames.raw(int(rng.integers(len(frames))))[-204:].astype(np.float32) * FEATURE_STEP
                for _ in range(128)
            ]
        )
        model.train_on_batch(batch, labels, np.ones((128, 1), np.float32))

    for _ in range(10):
        step()
    start, count = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        step()
        count += 1
    return count / (time.perf_counter() - start)
