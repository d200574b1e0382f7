"""What training by CTC adds to the loop: batches of like lengths, the loss, and the choice of weights on dev clips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from trainer.metrics import edit_counts, error_rate
from trainer.mfcc import FILTERS, MFCCS, cepstra
from trainer.stt.preparation import Mels, frames_needed
from trainer.text import Alphabet, collapse
from trainer.training import MetricsLog

FRAMES_MULTIPLE = 48  # batches are padded to it: each new length is compiled once


@dataclass(frozen=True)
class Clips:
    """A set: log mels and labels, in the order of the store."""

    frames: Mels
    labels: Sequence[np.ndarray]

    @property
    def longest(self) -> int:
        """Labels of the longest transcript."""
        return max((len(text) for text in self.labels), default=1)


def batch_of(
    clips: Clips, numbers: np.ndarray, longest: int, rng: np.random.Generator | None = None, voices: float = 0.0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(MFCCs (b, t, 26) padded with zeros, targets (b, 2 + longest): frames, labels, the labels; weights of one).

    With `rng` each clip is changed first (`other_voice`).
    """
    mels = [clips.frames.raw(int(number)) for number in numbers]
    labels = [clips.labels[number] for number in numbers]
    if rng is not None and voices > 0:
        mels = [other_voice(m, frames_needed(text), rng, voices) for m, text in zip(mels, labels, strict=True)]
    time = -(-max(map(len, mels)) // FRAMES_MULTIPLE) * FRAMES_MULTIPLE
    x = np.zeros((len(numbers), time, MFCCS), np.float32)
    y = np.zeros((len(numbers), 2 + longest), np.int32)
    for row, (frames, text) in enumerate(zip(mels, labels, strict=True)):
        x[row, : len(frames)] = cepstra(frames)
        y[row, :2] = len(frames), len(text)
        y[row, 2 : 2 + len(text)] = text
    return x, y, np.ones(len(numbers), np.float32)


def other_voice(mels: np.ndarray, needed: int, rng: np.random.Generator, amount: float) -> np.ndarray:
    """Another tempo, size of head (mel axis scaled), microphone (level and tilt), noise, and SpecAugment's masks.

    `needed`: frames that must be left. Park et al. 2019; Jaitly & Hinton 2013 for the axis.
    """
    fast = float(np.exp(rng.uniform(-0.18, 0.18) * amount))
    count = max(needed, 1, round(len(mels) / fast))
    mels = _at(mels, np.linspace(0, len(mels) - 1, count))
    head = float(np.exp(rng.uniform(-0.12, 0.12) * amount))
    mels = _at(mels.T, np.clip(np.arange(FILTERS) * head, 0, FILTERS - 1)).T
    slope = np.linspace(-1, 1, FILTERS, dtype=np.float32)
    mels = mels + np.float32(rng.uniform(-1.5, 1.5) * amount) + slope * np.float32(rng.uniform(-1, 1) * amount)
    if rng.random() < 0.5:  # noise under the voice
        floor = np.percentile(mels, 95) - rng.uniform(2.5, 7) + slope * rng.uniform(-1, 1)
        mels = np.logaddexp(mels, floor + rng.normal(0, 0.4, mels.shape))
    mean = mels.mean(0)
    for _ in range(2):
        size = int(rng.integers(0, min(15, max(1, count // 6)) + 1) * min(amount, 1.0))
        at = int(rng.integers(0, max(1, count - size)))
        mels[at : at + size] = mean
        band = int(rng.integers(0, 6))
        low = int(rng.integers(0, FILTERS - band))
        mels[:, low : low + band] = mean[low : low + band]
    return np.asarray(mels, np.float32)


def _at(rows: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Rows between rows, linearly."""
    low = np.minimum(places.astype(int), max(len(rows) - 2, 0))
    share = (places - low).astype(np.float32)[:, None]
    return rows[low] * (1 - share) + rows[np.minimum(low + 1, len(rows) - 1)] * share


class Batches:
    """Batch i of training: clips of like length together, another order every epoch, the longest first of all."""

    def __init__(self, clips: Clips, size: int, seed: int) -> None:
        self.clips, self.size, self.seed = clips, size, seed
        self.per_epoch = max(1, len(clips.frames) // size)
        self._epoch = -1
        self._batches: np.ndarray = np.zeros((0, size), int)

    def numbers(self, step: int) -> np.ndarray:
        """Which clips."""
        epoch, at = divmod(step, self.per_epoch)
        if epoch != self._epoch:
            rng = np.random.default_rng([self.seed, epoch])
            lengths = self.clips.frames.index["length"]
            order = np.argsort(-lengths if epoch == 0 else lengths + rng.uniform(0, FRAMES_MULTIPLE, len(lengths)), kind="stable")
            whole = self.per_epoch * self.size
            if len(order) < whole:
                order = np.resize(order, whole)
            batches = order[:whole].reshape(self.per_epoch, self.size)
            turn = np.arange(self.per_epoch)
            rng.shuffle(turn[int(epoch == 0) :])  # the longest stays first of all
            self._batches = batches[turn]
            self._epoch = epoch
        return np.asarray(self._batches[at])


def ctc(targets: Any, logits: Any) -> Any:
    """CTC loss of each clip. `targets` as of `batch_of`; the blank is the last class."""
    import tensorflow as tf

    targets = tf.cast(targets, tf.int32)
    frames, count, labels = targets[:, 0], targets[:, 1], targets[:, 2:]
    used = tf.sequence_mask(count, tf.shape(labels)[1])
    sparse = tf.SparseTensor(tf.where(used), tf.boolean_mask(labels, used), tf.cast(tf.shape(labels), tf.int64))
    return tf.compat.v1.nn.ctc_loss(sparse, logits, frames, time_major=False)


class Learning:
    """The product part of the loop."""

    def __init__(self, dev: Clips, alphabet: Alphabet, batch_size: int, folder: Path) -> None:
        self.dev, self.alphabet, self.size, self.log = dev, alphabet, batch_size, MetricsLog(folder)
        self.best_score, self.best = np.inf, []  # type: float, list[np.ndarray]

    def state(self) -> dict[str, np.ndarray]:
        """Best weights, for the checkpoint."""
        return {"score": np.array(self.best_score), **{f"best{i}": w for i, w in enumerate(self.best)}}

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """From a checkpoint."""
        self.best_score = float(state["score"])
        self.best = [state[f"best{i}"] for i in range(sum(k.startswith("best") for k in state))]

    def after_round(self, model: keras.Model, step: int, loss: float) -> dict[str, float]:
        """Dev loss and error rates; keep the weights of the lowest character error rate (the loss rises long before)."""
        figures = evaluate(model, self.dev, self.alphabet, self.size)
        if figures["cer"] <= self.best_score or not self.best:
            self.best_score, self.best = figures["cer"], [np.asarray(w).copy() for w in model.weights]
        self.log.write(step, {"loss": loss, **figures})
        return figures


def evaluate(model: keras.Model, clips: Clips, alphabet: Alphabet, size: int) -> dict[str, float]:
    """Mean CTC loss, and greedy word and character error rates."""
    losses: list[np.ndarray] = []
    said: list[str] = []
    heard: list[str] = []
    order = np.argsort(clips.frames.index["length"], kind="stable")
    for at in range(0, len(order), size):
        numbers = order[at : at + size]
        x, y, _ = batch_of(clips, np.resize(numbers, size), clips.longest)
        logits = np.asarray(model.predict_on_batch(x))
        losses.append(np.asarray(ctc(y, logits))[: len(numbers)])
        for row, number in enumerate(numbers):
            best = logits[row, : y[row, 0]].argmax(-1)
            heard.append(alphabet.decode(collapse(best, alphabet.blank)))
            said.append(alphabet.decode(clips.labels[number]))
    words, characters = edit_counts(said, heard)
    return {"dev_loss": float(np.concatenate(losses).mean()), "wer": error_rate(words), "cer": error_rate(characters)}
