"""A model's outputs along stored clips, as a device that starts with the clip computes them."""

from collections.abc import Callable, Sequence

import keras
import numpy as np

from trainer.metrics.detection import sliding_mean
from trainer.models.streaming import StreamingSpec
from trainer.wakeword.batches import Part
from trainer.wakeword.evaluation import PAUSE_FRAMES
from trainer.wakeword.frames import Frames

WINDOW = 5  # sliding window of the clients while weights are chosen


def scan(
    model: keras.Model, spec: StreamingSpec, frames: Frames, clips: np.ndarray, batch: int = 32
) -> np.ndarray:
    """Logits along each clip (all of one length): (clips, length // stride)."""
    if not len(clips):
        return np.zeros((0, 1), np.float32)
    before = spec.frames - spec.stride  # a device starts as after silence
    longest = int(frames.index["length"][clips].max())
    padded = np.zeros((batch, before + longest, frames.width), np.uint8)
    found = []
    for at in range(0, len(clips), batch):
        for row, clip in zip(padded, clips[at : at + batch], strict=False):
            raw = frames.raw(int(clip))
            row[before : before + len(raw)], row[before + len(raw) :] = raw, 0
        found.append(np.asarray(model.predict_on_batch(padded)))
    return np.concatenate(found)[: len(clips)]


def probability(logits: np.ndarray) -> np.ndarray:
    """Sigmoid, in double precision: single cannot tell logits above 17 apart."""
    return 1 / (1 + np.exp(-logits.astype(np.float64)))


def first_output(spec: StreamingSpec) -> int:
    """The first output that a device does not ignore."""
    return -(-PAUSE_FRAMES // spec.stride)


def peaks(
    model: keras.Model,
    spec: StreamingSpec,
    parts: Sequence[Part],
    of: Callable[[np.ndarray], np.ndarray] = lambda logits: logits,
) -> np.ndarray:
    """The highest sliding mean of `of(logits)` in each clip, from the first output that counts."""
    first = first_output(spec)
    means = (sliding_mean(of(scan(model, spec, f, c)), WINDOW)[:, first:] for f, c in parts)
    return np.concatenate([mean.max(1) for mean in means])
