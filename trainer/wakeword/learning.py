"""What training a wake word adds to the loop: hard negatives mined as it goes, weights chosen at a false-accept limit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from trainer import models
from trainer.batches import Hard, Source
from trainer.clips import Frames
from trainer.metrics import sliding_mean
from trainer.models.layers import copy_weights
from trainer.training import MetricsLog

WINDOW = 5  # sliding window of the clients while weights are chosen
LIMITS_PER_HOUR = (0.5, 2.0, 8.0, 32.0)
HARD_WINDOWS = 3000
MINED_HOURS = 2.0


def scan(model: keras.Model, frames: Frames, clips: np.ndarray, batch: int = 32) -> np.ndarray:
    """Logits along each clip (all of one length): (clips, positions), one every stride."""
    if not len(clips):
        return np.zeros((0, 1), np.float32)
    return np.concatenate([
        np.asarray(model.predict_on_batch(np.stack([frames.raw(int(c)) for c in _padded(clips, at, batch)])))
        for at in range(0, len(clips), batch)
    ])[: len(clips)]


def _padded(clips: np.ndarray, at: int, batch: int) -> np.ndarray:
    """A full batch from `at` (the last clip repeated), so that one compiled shape serves."""
    part = clips[at : at + batch]
    return np.pad(part, (0, batch - len(part)), mode="edge")


def probability(logits: np.ndarray) -> np.ndarray:
    """Sigmoid."""
    return 1 / (1 + np.exp(-logits))


class Learning:
    """The product part of the training loop."""

    def __init__(
        self, spec: Any, sources: Sequence[Source], positives: tuple[Frames, np.ndarray],
        ambient: Sequence[tuple[Frames, np.ndarray]], steps: int, mine_every: int, seed: int, folder: Path,
    ) -> None:
        """`positives`, `ambient`: (frames, clips) held out of training, for the choice of weights."""
        self.scanner = models.build(spec, "scan")
        self.spec, self.sources, self.positives, self.ambient = spec, sources, positives, ambient
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
            logits = scan(self.scanner, source.frames, clips)
            # the highest of each half second, so that one sound does not fill the list
            group = 16
            whole = logits.shape[1] // group * group
            peaks = logits[:, :whole].reshape(len(clips), -1, group)
            if not peaks.size:
                continue
            at = peaks.argmax(2) + np.arange(peaks.shape[1]) * group
            top = peaks.max(2).ravel()
            order = np.argsort(-top, kind="stable")[: max(64, min(HARD_WINDOWS, len(top) // 20))]
            starts = source.frames.index["start"][clips][order // peaks.shape[1]]
            ends = starts + self.spec.frames + at.ravel()[order] * self.spec.stride
            self.hard.append(Hard(number, ends.astype(np.int64)))

    def _choose(self, model: keras.Model, step: int) -> dict[str, float]:
        """Recall at several false-accept limits on held-out audio; keep the weights with the best mean."""
        frames, clips = self.positives
        peaks = sliding_mean(probability(scan(self.scanner, frames, clips)), WINDOW).max(1)
        ambient = [sliding_mean(probability(scan(self.scanner, f, c)), WINDOW).max(1) for f, c in self.ambient]
        loud = np.sort(np.concatenate(ambient))[::-1]
        hours = sum(float(f.index["length"][c].sum()) for f, c in self.ambient) / 360_000
        recalls = []
        for limit in LIMITS_PER_HOUR:
            allowed = int(limit * hours)
            recalls.append(float(np.mean(peaks > loud[allowed])) if allowed < len(loud) else 1.0)
        score = float(np.mean(recalls))
        if score >= self.best_score or not self.best:
            self.best_score, self.best = score, [np.asarray(w).copy() for w in model.weights]
        return {"recall": recalls[0], "score": score}
