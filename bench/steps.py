"""Training steps and validation, as a run does them."""

from __future__ import annotations

import resource
import tempfile
import time
from pathlib import Path

import keras
import numpy as np

from trainer import models
from trainer.training.callbacks import Callback, Round
from trainer.training.loop import Loop
from trainer.training.optimizers import averaged_adamw, cosine
from trainer.wakeword.batches import Source, draw_batch
from trainer.wakeword.frames import Frames
from trainer.wakeword.scan import scan as scan_clips


class _Timer(Callback):
    """Records when rounds end."""

    def __init__(self) -> None:
        self.marks: list[tuple[int, float]] = []

    def on_round_end(self, current: Round) -> None:
        """Record the time."""
        self.marks.append((current.step, time.perf_counter()))


def ours(features: Path, home: Path, seconds: float, name: str = "mixednet") -> float:
    """Steps per second of the real loop, without the first round, which compiles."""
    frames = Frames(features)
    half = len(frames) // 2
    sources = [
        Source("a", frames, np.arange(half), 0.3, 1.0, after_mark=(2, 32)),
        Source("b", frames, np.arange(half, len(frames)), 0.7, 0.0),
    ]
    spec, timer = models.spec_of(name), _Timer()
    steps = 50 + int(seconds * 60) // 50 * 50
    with tempfile.TemporaryDirectory(dir=home) as folder:
        optimizer = averaged_adamw(cosine(steps, 1e-3), steps, 0.4)
        loss = keras.losses.BinaryCrossentropy(from_logits=True)
        batch = lambda i: draw_batch(sources, [], 0.5, 128, spec.frames, 1, i)  # noqa: E731
        Loop(models.build(spec), batch, steps, 50, Path(folder), [timer], optimizer, loss).run()
    (first, start), (last, end) = timer.marks[0], timer.marks[-1]
    return (last - first) / (end - start)


def scan(features: Path) -> tuple[float, float]:
    """(hours of audio scored per second, MB that ten hours take more than one)."""
    frames = Frames(features)
    spec = models.spec_of("mixednet")
    scanner = models.build(spec, "scan")
    per_hour = int(360_000 / frames.index["length"][0])
    clips = np.arange(per_hour) % len(frames)
    scan_clips(scanner, spec, frames, clips)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    scan_clips(scanner, spec, frames, np.tile(clips, 10))
    spent = time.perf_counter() - start
    return 10 / spent, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1000
