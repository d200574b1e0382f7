"""How good a model is: the exported file on real audio, with the device's window and pause."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from trainer.audio import io as audio
from trainer.audio.io import SAMPLE_RATE_HZ, AudioError, to_int16
from trainer.audio.micro_frontend import FRAMES_PER_SECOND, FrontEnd
from trainer.errors import UserError
from trainer.metrics.bootstrap import poisson_rate, wilson
from trainer.metrics.detection import Curve, curve, detections, sliding_mean
from trainer.rejected import Rejected
from trainer.wakeword.export import manifest
from trainer.wakeword.export.tflite import Stream
from trainer.wakeword.recordings import audio_files
from trainer.workers import Workers

PAUSE_FRAMES = 74  # ESPHome ignores 74 slices (0.74 s) after it starts and after it wakes
SETTLE_SECONDS = 1.0  # faint noise before and after a clip: a device listens before anybody speaks


@dataclass(frozen=True)
class Outputs:
    """uint8 outputs of the model along one file."""

    path: str
    values: np.ndarray
    seconds: float
    speech_end: float  # seconds into `values`; nan for streams


@dataclass
class Evaluation:
    """Everything measured with one model on one set of phrases and one of ambient audio."""

    cutoff: float
    window: int
    stride: int
    positives: list[Outputs]
    ambient: list[Outputs]
    rejected: list[Rejected] = field(default_factory=list)

    @property
    def pause(self) -> int:
        """Pause after a detection, in outputs."""
        return -(-PAUSE_FRAMES // self.stride)

    @property
    def hours(self) -> float:
        """Of ambient audio."""
        return sum(o.seconds for o in self.ambient) / 3600

    def means(self, outputs: Outputs, window: int | None = None) -> np.ndarray:
        """Sliding means along one file, 0 while a device does not listen yet."""
        means = sliding_mean(outputs.values / np.float32(256), window or self.window)
        means[: self.pause] = 0
        return means

    def curve(self, window: int | None = None) -> Curve:
        """DET curve at a window."""
        peaks = np.array([self.means(o, window).max(initial=0) for o in self.positives])
        return curve(
            peaks, [self.means(o, window) for o in self.ambient], max(self.hours, 1e-9), self.pause
        )

    def figures(self) -> dict[str, Any]:
        """The figures, at the model's cutoff and at usual limits."""
        found: dict[str, Any] = {"cutoff": self.cutoff, "sliding_window_size": self.window}
        if self.positives:
            peaks = [self.means(o).max(initial=0) for o in self.positives]
            hits = int(np.sum(np.array(peaks) > self.cutoff))
            found |= {
                "positives": len(peaks),
                "recall": hits / len(peaks),
                "recall_interval": wilson(hits, len(peaks)),
            }
            delays = np.array([d for o in self.positives if (d := self.delay(o)) is not None])
            if len(delays):
                found["latency_seconds"] = {
                    q: float(np.percentile(delays, p)) for q, p in (("median", 50), ("p90", 90))
                }
            found["missed"] = [
                o.path for o, p in zip(self.positives, peaks, strict=True) if p <= self.cutoff
            ]
        if self.ambient:
            events = [
                (o.path, float(at * self.stride / FRAMES_PER_SECOND))
                for o in self.ambient
                for at in detections(self.means(o), self.cutoff, self.pause)
            ]
            found |= {
                "hours": self.hours,
                "false_accepts": len(events),
                "false_accepts_per_hour": len(events) / self.hours,
                "false_accepts_per_hour_interval": poisson_rate(len(events), self.hours),
                "false_accepts_at": events,
            }
        if self.positives and self.ambient:
            det = self.curve()
            found["at_limits"] = [
                {"false_accepts_per_hour": limit, "cutoff": c, "recall": r}
                for limit in (0.0, 0.5, 1.0, 2.0, 5.0)
                for c, r in [det.at_limit(limit)]
            ]
        found["rejected"] = [vars(one) for one in self.rejected]
        return found

    def delay(self, outputs: Outputs) -> float | None:
        """Seconds from the end of the phrase to detection (negative: before); None if missed."""
        found = detections(self.means(outputs), self.cutoff, self.pause)
        if not len(found) or np.isnan(outputs.speech_end):
            return None
        return float((found[0] + 1) * self.stride / FRAMES_PER_SECOND - outputs.speech_end)


def evaluate(
    model: Path,
    positives: Path | None,
    ambient: Path | None,
    workers: Workers,
    cutoff: float | None = None,
    window: int | None = None,
) -> Evaluation:
    """Run `model` (.tflite with its .json next to it) over folders of audio.

    `positives`: recordings of the phrase; `ambient`: audio without it. Files that cannot be read
    are rejected. Raises UserError.
    """
    if not model.exists():
        raise UserError(f"{model}: no such model")
    described = model.with_suffix(".json")
    if described.exists():
        micro = manifest.read(described).micro
        cutoff = micro.probability_cutoff if cutoff is None else cutoff
        window = micro.sliding_window_size if window is None else window
    if cutoff is None or window is None:
        raise UserError(f"{described} is missing: give --cutoff and --window")
    try:
        stride = Stream(model.read_bytes()).stride
    except UserError as error:
        raise UserError(f"{model}: {error}") from error
    phrases = audio_files(positives) if positives else []
    streams = audio_files(ambient) if ambient else []
    runs = [(str(p), True) for p in phrases] + [(str(p), False) for p in streams]
    outcomes = workers.run(partial(_run_file, str(model)), runs, "evaluation")
    good = [o for o in outcomes if isinstance(o, Outputs)]
    rejected = [o for o in outcomes if isinstance(o, Rejected)]
    names = {str(p) for p in phrases}
    found = [o for o in good if o.path in names], [o for o in good if o.path not in names]
    return Evaluation(cutoff, window, stride, *found, rejected)


def _run_file(model: str, run: tuple[str, bool]) -> Outputs | Rejected:
    """One file through front-end and model, block by block, so that memory stays small."""
    path, phrase = run
    stream, front_end = Stream(Path(model).read_bytes()), FrontEnd()
    outputs, rest, seconds, until = [], np.zeros((0, 40), np.uint8), 0.0, float("nan")
    try:
        for block in _blocks(Path(path), phrase):
            seconds += len(block) / SAMPLE_RATE_HZ
            frames = np.concatenate([rest, front_end.push(to_int16(block))])
            whole = len(frames) // stream.stride * stream.stride
            outputs.append(stream(frames[:whole]))
            rest = frames[whole:]
        if phrase:
            bounds = audio.speech_bounds(audio.read(Path(path)))
            until = SETTLE_SECONDS + bounds[1] / SAMPLE_RATE_HZ if bounds else float("nan")
    except AudioError as error:
        return Rejected(path, str(error))
    return Outputs(path, np.concatenate(outputs), seconds, until)


def _blocks(path: Path, phrase: bool) -> Iterator[np.ndarray]:
    count = int(SETTLE_SECONDS * SAMPLE_RATE_HZ)
    quiet = np.random.default_rng(0).normal(0, 1e-4, count).astype(np.float32)
    if phrase:
        yield quiet
    yield from audio.read_blocks(path)
    if phrase:
        yield quiet
