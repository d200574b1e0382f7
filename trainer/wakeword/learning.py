"""What training a wake word adds to the loop: hard negatives mined as it goes, weights chosen at a false-accept limit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from trainer import models
from trainer.batches import Hard, HeldOut, Part, Source
from trainer.clips import Frames
from trainer.metrics import sliding_mean
from trainer.models.layers import copy_weights
from trainer.training import MetricsLog
from trainer.wakeword.evaluation import PAUSE_FRAMES

WINDOW = 5  # sliding window of the clients while weights are chosen
LIMITS_PER_HOUR = (0.5, 2.0, 8.0, 32.0)
NEAR_MISS_SHARES = (0.01, 0.03, 0.1)
HARD_WINDOWS = 3000
MINED_HOURS = 2.0


def scan(model: keras.Model, spec: Any, frames: Frames, clips: np.ndarray, batch: int = 32) -> np.ndarray:
    """Logits along each clip (all of one length): (clips, length // stride), the same positions as a device that starts
    with the clip."""
    if not len(clips):
        return np.zeros((0, 1), np.float32)
    before = spec.frames - spec.stride  # a device starts as if it had heard silence
    padded = np.zeros((batch, before + int(frames.index["length"][clips].max()), frames.width), np.uint8)
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


def heard_from(spec: Any) -> int:
    """The first output that a device takes notice of."""
    return -(-PAUSE_FRAMES // spec.stride)


def peaks(
    model: keras.Model, spec: Any, parts: Sequence[Part], window: int, of: Callable[[np.ndarray], np.ndarray] = lambda logits: logits
) -> np.ndarray:
    """The highest sliding mean, of what `of` makes of the logits, of each clip where a device takes notice."""
    return np.concatenate([sliding_mean(of(scan(model, spec, f, c)), window)[:, heard_from(spec) :].max(1) for f, c in parts])


class Learning:
    """The product part of the training loop."""

    def __init__(
        self, spec: Any, sources: Sequence[Source], held_out: HeldOut, steps: int, mine_every: int, seed: int, folder: Path
    ) -> None:
        self.scanner = models.build(spec, "scan")
        self.spec, self.sources, self.held_out = spec, sources, held_out
        self.steps, self.mine_every, self.seed, self.log = steps, mine_every, seed, MetricsLog(folder)
        self.hard: list[Hard] = []
        self.best_score = -1.0
        self.best: list[np.ndarray] = []

    def state(self) -> dict[str, np.ndarray]:
        """Best weights and mined windows, for the checkpoint."""
        best = {f"best{i}": w for i, w in enumerate(self.best)}
        hard = {f"hard{h.source}": h.ends for h in self.hard}
        return {"score": np.array(self.best_score), **best, **hard}

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """From a checkpoint."""
        self.best_score = float(state["score"])
        self.best = [state[f"best{i}"] for i in range(sum(k.startswith("best") for k in state))]
        self.hard = [Hard(int(k[4:]), v) for k, v in state.items() if k.startswith("hard")]

    def goes_on(self, model: keras.Model) -> bool:
        """To the last step."""
        return True

    def after_round(self, model: keras.Model, step: int, loss: float) -> dict[str, float]:
        """Mine and choose. Returns what to show."""
        values: dict[str, float] = {}
        if step % self.mine_every == 0 or step == self.steps:
            copy_weights(model, self.scanner)
            if step < self.steps:
                self._mine(step)
            values = self._choose(model, step)
        self.log.write(step, {"loss": loss, **values})
        return values

    def _mine(self, step: int) -> None:
        """The windows of each negative source that score highest, from two hours of it, drawn anew each time."""
        rng = np.random.default_rng([self.seed, step, 1])
        self.hard = []
        for number, source in enumerate(self.sources):
            if source.label > 0 or not len(source.clips):
                continue
            length = int(source.frames.index["length"][source.clips[0]])
            many = min(len(source.clips), max(1, int(MINED_HOURS * 360_000 / length)))
            clips = np.sort(rng.choice(source.clips, many, replace=False))
            logits = scan(self.scanner, self.spec, source.frames, clips)
            # the highest of each half second, so that one sound does not fill the list
            group, first = 16, heard_from(self.spec)
            whole = max(0, logits.shape[1] - first) // group * group
            peaks = logits[:, first : first + whole].reshape(len(clips), -1, group)
            if not peaks.size:
                continue
            at = first + peaks.argmax(2) + np.arange(peaks.shape[1]) * group
            top = peaks.max(2).ravel()
            order = np.argsort(-top, kind="stable")[: max(64, min(HARD_WINDOWS, len(top) // 20))]
            starts = source.frames.index["start"][clips][order // peaks.shape[1]]
            ends = starts + (at.ravel()[order] + 1) * self.spec.stride
            self.hard.append(Hard(number, ends.astype(np.int64)))

    def _choose(self, model: keras.Model, step: int) -> dict[str, float]:
        """Recall on held-out audio at several limits, for ambient audio (per hour) and for near misses (shares of them);
        keep the weights with the best mean."""

        def highest(parts: Sequence[Part]) -> np.ndarray:
            return peaks(self.scanner, self.spec, parts, WINDOW, probability)

        def recalls(parts: Sequence[Part], allowed: Sequence[float]) -> list[float]:
            loud = np.sort(highest(parts))[::-1]
            return [float(np.mean(said > loud[int(many)])) if many < len(loud) else 1.0 for many in allowed]

        said = highest([self.held_out.phrases])
        ambient, near = self.held_out.ambient, self.held_out.near_misses
        among_ambient = recalls(ambient, [limit * self.held_out.ambient_hours for limit in LIMITS_PER_HOUR])
        among_near = recalls(near, [share * sum(len(c) for _, c in near) for share in NEAR_MISS_SHARES])
        score = float(np.mean(among_ambient) + np.mean(among_near)) / 2
        if score >= self.best_score or not self.best:
            self.best_score, self.best = score, [np.asarray(w).copy() for w in model.weights]
        return {"recall": among_ambient[0], "recall_near_misses": among_near[0], "score": score}
