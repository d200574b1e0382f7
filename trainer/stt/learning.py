"""What training by CTC adds to the loop: batches of like lengths, the loss, and the choice of weights on dev clips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from trainer.metrics import edit_distance
from trainer.stt.preparation import Cepstra
from trainer.text import Alphabet, collapse
from trainer.training import MetricsLog

FRAMES_MULTIPLE = 48  # batches are padded to it: each new length is compiled once


@dataclass(frozen=True)
class Clips:
    """A set: MFCCs and labels, in the order of the store."""

    frames: Cepstra
    labels: Sequence[np.ndarray]

    @property
    def longest(self) -> int:
        """Labels of the longest transcript."""
        return max((len(text) for text in self.labels), default=1)


def batch_of(clips: Clips, numbers: np.ndarray, longest: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(MFCCs (b, t, 26) padded with zeros, targets (b, 2 + longest): frames, labels, the labels; weights of one)."""
    lengths = clips.frames.index["length"][numbers]
    time = -(-int(lengths.max()) // FRAMES_MULTIPLE) * FRAMES_MULTIPLE
    x = np.zeros((len(numbers), time, clips.frames.width), np.float32)
    y = np.zeros((len(numbers), 2 + longest), np.int32)
    for row, number in enumerate(numbers):
        raw, labels = clips.frames.raw(int(number)), clips.labels[number]
        x[row, : len(raw)] = raw
        y[row, :2] = len(raw), len(labels)
        y[row, 2 : 2 + len(labels)] = labels
    return x, y, np.ones(len(numbers), np.float32)


class Batches:
    """Batch i of training: clips of like length together, another order every epoch, the longest first of all."""

    def __init__(self, clips: Clips, size: int, seed: int) -> None:
        self.clips, self.size, self.seed = clips, size, seed
        self.per_epoch = max(1, len(clips.frames) // size)
        self._epoch, self._batches = -1, np.zeros(0)

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
            rest = np.arange(1, self.per_epoch) if epoch == 0 else np.arange(self.per_epoch)
            rng.shuffle(rest)
            self._batches = batches[np.concatenate([[0], rest]) if epoch == 0 else rest]
            self._epoch = epoch
        return np.asarray(self._batches[at])


def mask(x: np.ndarray, lengths: np.ndarray, rng: np.random.Generator, noise: float = 0.6) -> None:
    """In place: two stretches of time replaced by the mean, and noise on the coefficients (Park et al. 2019)."""
    for row, length in enumerate(lengths):
        for _ in range(2):
            size = int(rng.integers(0, min(15, max(1, length // 6)) + 1))
            at = int(rng.integers(0, max(1, length - size)))
            x[row, at : at + size] = x[row, :length].mean(0)
    x += rng.normal(0, noise, x.shape).astype(np.float32)


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
        """Dev loss and error rates; keep the weights of the lowest loss."""
        figures = evaluate(model, self.dev, self.alphabet, self.size)
        if figures["dev_loss"] < self.best_score or not self.best:
            self.best_score, self.best = figures["dev_loss"], [np.asarray(w).copy() for w in model.weights]
        self.log.write(step, {"loss": loss, **figures})
        return figures


def evaluate(model: keras.Model, clips: Clips, alphabet: Alphabet, size: int) -> dict[str, float]:
    """Mean CTC loss, and greedy word and character error rates."""
    losses, words, characters = [], np.zeros(2), np.zeros(2)
    order = np.argsort(clips.frames.index["length"], kind="stable")
    for at in range(0, len(order), size):
        numbers = order[at : at + size]
        x, y, _ = batch_of(clips, np.resize(numbers, size), clips.longest)
        logits = np.asarray(model.predict_on_batch(x))
        losses.append(np.asarray(ctc(y, logits))[: len(numbers)])
        for row, number in enumerate(numbers):
            best = logits[row, : y[row, 0]].argmax(-1)
            heard, said = alphabet.decode(collapse(best, alphabet.blank)), alphabet.decode(clips.labels[number])
            words += edit_distance(said.split(), heard.split()), len(said.split())
            characters += edit_distance(said, heard), len(said)
    return {"dev_loss": float(np.concatenate(losses).mean()), "wer": float(words[0] / words[1]), "cer": float(characters[0] / characters[1])}
