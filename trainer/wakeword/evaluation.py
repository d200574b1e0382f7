"""How good a model is: the exported file on real audio, with the device's window and pause."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from trainer.audio.decode import AudioError
from trainer.audio.io import SAMPLE_RATE_HZ, Audio, to_int16
from trainer.audio.micro_frontend import FRAMES_PER_SECOND, FrontEnd
from trainer.errors import UserError
from trainer.metrics.bootstrap import poisson_rate, wilson
from trainer.metrics.detection import Curve, curve, detections, sliding_mean
from trainer.rejected import Rejected
from trainer.wakeword.export import manifest
from trainer.wakeword.export.tflite import Stream
from trainer.wakeword.recordings import (
    Phrase,
    Take,
    check_no_contradiction,
    files_of,
    read_stream,
    read_take,
)
from trainer.workers import Workers

PAUSE_FRAMES = 74  # ESPHome ignores 74 slices (0.74 s) after it starts and after it wakes
SETTLE_SECONDS = 1.0  # faint noise before and after a clip: a device listens before anybody speaks


@dataclass(frozen=True)
class Outputs:
    """Outputs (0 to 256) of the model along one file, or one phrase of a take."""

    path: str  # of a take with the place in it
    values: np.ndarray
    seconds: float
    speech_end: float  # seconds into `values`; nan for streams


@dataclass
class Evaluation:
    """Everything measured with one model on one set of phrases and one of ambient audio."""

    cutoff: float
    window: int
    stride: int
    positives: list[Outputs] = field(default_factory=list)
    ambient: list[Outputs] = field(default_factory=list)
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

    `positives`: recordings of the phrase; `ambient`: audio without it. What cannot be used, by the
    same rules as for training, is rejected. Raises UserError.
    """
    found = load(model, cutoff, window)
    measure(found, partial(Streamed, str(model)), positives, ambient, workers)
    return found


class Detector(Protocol):
    """A model that listens, from a fresh state at each call."""

    def __call__(self, blocks: Iterable[Audio]) -> np.ndarray:
        """Outputs (0 to 256) along blocks of audio at 16 kHz, one every `Evaluation.stride`."""


def measure(
    found: Evaluation,
    opened: Callable[[], Detector],
    positives: Path | None,
    ambient: Path | None,
    workers: Workers,
) -> None:
    """Fill `found` by any detector; each worker process opens its own. Raises UserError."""
    phrases = files_of(positives) if positives else []
    streams = files_of(ambient) if ambient else []
    check_no_contradiction(phrases, streams)
    runs = [(path, "phrase") for path in phrases] + [(path, "stream") for path in streams]
    outcomes = workers.run(partial(_run_file, opened), runs, "evaluation")
    for (_, kind), results in zip(runs, outcomes, strict=True):
        for one in results:
            if isinstance(one, Rejected):
                found.rejected.append(one)
            else:
                (found.positives if kind == "phrase" else found.ambient).append(one)
    for kind, folder, some in (
        ("recording of the phrase", positives, found.positives),
        ("ambient audio", ambient, found.ambient),
    ):
        if folder and not some:
            first = found.rejected[0]
            raise UserError(
                f"{folder}: no {kind} can be used; such as {first.path}: {first.reason}"
            )


def load(model: Path, cutoff: float | None = None, window: int | None = None) -> Evaluation:
    """An evaluation without audio: the model's cutoff, window and stride. Raises UserError."""
    if not model.exists():
        raise UserError(f"{model}: no such model")
    described = model.with_suffix(".json")
    if described.exists():
        own = manifest.operating_point(described)
        cutoff = own[0] if cutoff is None else cutoff
        window = own[1] if window is None else window
    if cutoff is None or window is None:
        raise UserError(f"{described} is missing: give --cutoff and --window")
    try:
        return Evaluation(cutoff, window, Stream(model.read_bytes()).stride)
    except UserError as error:
        raise UserError(f"{model}: {error}") from error


def peaks(model: Path, clips: Sequence[Path], workers: Workers) -> dict[str, float | Rejected]:
    """Highest sliding mean of each clip, or why it cannot be read."""
    found = load(model)
    runs = [(path, "clip") for path in clips]
    outcomes = workers.run(partial(_run_file, partial(Streamed, str(model))), runs, "scoring")
    return {
        str(path): one if isinstance(one, Rejected) else float(found.means(one).max(initial=0))
        for path, (one, *_) in zip(clips, outcomes, strict=True)
    }


def _run_file(opened: Callable[[], Detector], run: tuple[Path, str]) -> list[Outputs | Rejected]:
    """One file through front-end and model. Kinds: "phrase": each repetition; "stream": the whole;
    "clip": the whole, with silence around it."""
    path, kind = run
    detector = opened()
    try:
        if kind == "phrase":
            take = read_take(path)
            return [*(_run_phrase(detector, path, take, p) for p in take.phrases), *take.rejected]
        blocks = read_stream(path, 60.0)
        surrounded = [quiet(), *blocks, quiet()] if kind == "clip" else blocks
        return [_run_blocks(detector, str(path), surrounded)]
    except AudioError as error:
        return [Rejected(str(path), str(error))]


def _run_phrase(detector: Detector, path: Path, take: Take, phrase: Phrase) -> Outputs:
    clip = take.samples[phrase.begin : phrase.end]
    end = SETTLE_SECONDS + (phrase.last - phrase.begin) / SAMPLE_RATE_HZ
    at = f" at {phrase.first / SAMPLE_RATE_HZ:.1f} s" if len(take.phrases) > 1 else ""
    return _run_blocks(detector, f"{path}{at}", [quiet(), clip, quiet()], end)


def _run_blocks(
    detector: Detector, name: str, blocks: Iterable[Audio], speech_end: float = float("nan")
) -> Outputs:
    samples = 0

    def counted() -> Iterator[Audio]:
        nonlocal samples
        for block in blocks:
            samples += len(block)
            yield block

    values = detector(counted())
    return Outputs(name, values, samples / SAMPLE_RATE_HZ, speech_end)


class Streamed:
    """A `.tflite` of ours, behind the front-end of the clients."""

    def __init__(self, model: str) -> None:
        self._stream = Stream(Path(model).read_bytes())

    def __call__(self, blocks: Iterable[Audio]) -> np.ndarray:
        """Block by block, so that memory stays small."""
        self._stream.reset()
        front_end, stride = FrontEnd(), self._stream.stride
        outputs, rest = [np.zeros(0, np.uint8)], np.zeros((0, 40), np.uint8)
        for block in blocks:
            frames = np.concatenate([rest, front_end.push(to_int16(block))])
            whole = len(frames) // stride * stride
            outputs.append(self._stream(frames[:whole]))
            rest = frames[whole:]
        return np.concatenate(outputs)


def quiet() -> Audio:
    """The faint noise around a clip."""
    count = int(SETTLE_SECONDS * SAMPLE_RATE_HZ)
    return np.random.default_rng(0).normal(0, 1e-4, count).astype(np.float32)
