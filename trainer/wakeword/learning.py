"""Training of a wake word: mined hard negatives, weights chosen at false-accept limits."""

from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

from trainer import models
from trainer.models.streaming import StreamingSpec, copy_weights
from trainer.training import checkpoint
from trainer.training.callbacks import BestWeights, Callback, MetricsLog, Round, State
from trainer.training.loop import Batch, Loop
from trainer.training.optimizers import averaged_adamw, cosine
from trainer.wakeword.batches import Hard, HeldOut, Part, Source, draw_batch
from trainer.wakeword.scan import first_output, peaks, probability, scan
from trainer.wakeword.settings import WakeWordSettings
from trainer.wakeword.sources import sources_of

ROUND_STEPS = 250
HARD_SHARE = 0.5  # of the windows of each negative source
LIMITS_PER_HOUR = (0.5, 2.0, 8.0, 32.0)
CONFUSABLE_SHARES = (0.01, 0.03, 0.1)
HARD_WINDOWS = 3000
MINED_HOURS = 2.0
GROUP_OUTPUTS = 16  # half a second


class _Scanning(Callback):
    """Base: runs every `every` steps and at the end, with the weights in a `scan` form model."""

    def __init__(self, spec: StreamingSpec, every: int) -> None:
        self.spec, self.every = spec, every
        self.scanner = models.build(spec, "scan")

    def on_round_end(self, current: Round) -> None:
        if current.step % self.every == 0 or current.step == current.steps:
            copy_weights(current.model, self.scanner)
            self.on_scan(current)

    def on_scan(self, current: Round) -> None:
        """The work of the callback."""


class MinedNegatives(_Scanning):
    """The windows of each negative source that score highest, drawn from two hours of it."""

    def __init__(
        self, spec: StreamingSpec, every: int, sources: Sequence[Source], seed: int
    ) -> None:
        super().__init__(spec, every)
        self.sources, self.seed = sources, seed
        self.hard: list[Hard] = []

    def on_scan(self, current: Round) -> None:
        if current.step == current.steps:
            return
        rng = np.random.default_rng([self.seed, current.step, 1])
        self.hard = []
        for number, source in enumerate(self.sources):
            if source.label > 0 or source.after_mark or not len(source.clips):
                continue
            length = int(source.frames.index["length"][source.clips[0]])
            many = min(len(source.clips), max(1, int(MINED_HOURS * 360_000 / length)))
            clips = np.sort(rng.choice(source.clips, many, replace=False))
            ends = self._highest(source, clips)
            if ends is not None:
                self.hard.append(Hard(number, ends))

    def _highest(self, source: Source, clips: np.ndarray) -> np.ndarray | None:
        """Ends (frames of the store) of the windows that score highest, at most one each half
        second, so that one sound does not fill the list; None where clips are too short."""
        logits = scan(self.scanner, self.spec, source.frames, clips)
        first = first_output(self.spec)
        whole = max(0, logits.shape[1] - first) // GROUP_OUTPUTS * GROUP_OUTPUTS
        grouped = logits[:, first : first + whole].reshape(len(clips), -1, GROUP_OUTPUTS)
        if not grouped.size:
            return None
        groups = grouped.shape[1]
        at = first + grouped.argmax(2) + np.arange(groups) * GROUP_OUTPUTS
        top = grouped.max(2).ravel()
        count = max(64, min(HARD_WINDOWS, len(top) // 20))
        order = np.argsort(-top, kind="stable")[:count]
        starts = source.frames.index["start"][clips][order // groups]
        ends = starts + (at.ravel()[order] + 1) * self.spec.stride
        return np.asarray(ends, np.int64)

    def state(self) -> State:
        return {f"hard{one.source}": one.ends for one in self.hard}

    def restore(self, state: State) -> None:
        self.hard = [Hard(int(name[4:]), ends) for name, ends in state.items()]


class HeldOutRecall(_Scanning):
    """Recall on held-out clips at several limits, for ambient audio (per hour) and for
    confusables (shares of them); `score` is the mean of both."""

    def __init__(self, spec: StreamingSpec, every: int, held_out: HeldOut) -> None:
        super().__init__(spec, every)
        self.held_out = held_out

    def on_scan(self, current: Round) -> None:
        phrases = self._peaks(self.held_out.phrases)
        ambient, confusables = self.held_out.ambient, self.held_out.confusables
        per_hour = [limit * self.held_out.ambient_hours for limit in LIMITS_PER_HOUR]
        count = sum(len(clips) for _, clips in confusables)
        among_ambient = self._recalls(phrases, ambient, per_hour)
        shares = [share * count for share in CONFUSABLE_SHARES]
        among_confusables = self._recalls(phrases, confusables, shares)
        score = float(np.mean(among_ambient) + np.mean(among_confusables)) / 2
        current.figures |= {
            "recall": among_ambient[0],
            "recall_confusables": among_confusables[0],
            "score": score,
        }

    def _peaks(self, parts: Sequence[Part]) -> np.ndarray:
        return peaks(self.scanner, self.spec, parts, probability)

    def _recalls(
        self, phrases: np.ndarray, parts: Sequence[Part], allowed: Sequence[float]
    ) -> list[float]:
        """Share of the phrases above all but `allowed` of the other clips."""
        loud = np.sort(self._peaks(parts))[::-1]
        return [
            float(np.mean(phrases > loud[int(many)])) if many < len(loud) else 1.0
            for many in allowed
        ]


def fit(s: WakeWordSettings, prepared: dict[str, Path], out: Path) -> None:
    """weights.npz in `out`, from the checkpoint there, if any. Raises Stopped, UserError."""
    spec = models.spec_of(s.model)
    keras.utils.set_random_seed(s.seed)
    if not s.resume:
        checkpoint.remove(out)
    sources, held_out = sources_of(prepared)
    model = models.build(spec)
    every = 500 if s.training_steps <= 10_000 else 1000
    mined = MinedNegatives(spec, every, sources, s.seed)
    best = BestWeights("score", higher_is_better=True)

    def batch(step: int) -> Batch:
        size, window = s.training_batch_size, spec.frames
        return draw_batch(sources, mined.hard, HARD_SHARE, size, window, s.seed, step)

    callbacks = [mined, HeldOutRecall(spec, every, held_out), best, MetricsLog(out)]
    rate = cosine(s.training_steps, s.learning_rate)
    optimizer = averaged_adamw(rate, s.training_steps, s.weight_decay)
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    Loop(model, batch, s.training_steps, ROUND_STEPS, out, callbacks, optimizer, loss).run()
    np.savez(out / "weights.npz", *best.mean())
    checkpoint.remove(out)
