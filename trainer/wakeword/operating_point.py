"""Cutoff and sliding window for the manifest, from the exported model on held-out clips."""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from trainer.metrics.detection import Curve, curve, other_half, sliding_mean, tail
from trainer.models.streaming import StreamingSpec
from trainer.wakeword.batches import HeldOut, hours_of
from trainer.wakeword.evaluation import PAUSE_FRAMES
from trainer.wakeword.export.tflite import Stream
from trainer.wakeword.frames import Frames
from trainer.wakeword.scan import first_output, peaks, probability, scan

WINDOWS = (5, 3, 4, 6, 8)
# share of the recall given up for a higher cutoff: synthetic ambient audio is easier than a room
RECALL_SPARED = 0.12
AMBIENT_SECONDS = 1800
REAL_SECONDS = 7200
PHRASES, CONFUSABLES = 400, 200


@dataclass(frozen=True)
class _Choice:
    """One sliding window with its cutoff, and the figures behind them."""

    recall: float
    cutoff: float
    window: int
    curve: Curve
    peaks: np.ndarray
    ambient_peaks: np.ndarray
    expected: float  # false accepts an hour at the cutoff
    other_half: float  # ... in one half of the audio, where the other half gave the cutoff


def choose(
    data: bytes, spec: StreamingSpec, scanner: keras.Model, held_out: HeldOut, limit_per_hour: float
) -> dict[str, Any]:
    """Cutoff, window, agreement of the exported file with Keras, and the figures behind them."""
    stream = Stream(data)
    phrases = [
        stream_clip(stream, frames, int(c))
        for frames, clips in held_out.phrases
        for c in clips[:PHRASES]
    ]
    parts = held_out.decisive
    real = parts is held_out.real
    seconds = REAL_SECONDS if real else AMBIENT_SECONDS
    ambient = [
        stream_clip(stream, f, int(c))
        for f, chosen in parts
        for c in chosen[: int(seconds * 100 / f.index["length"][0])]
    ]
    confusables = [
        stream_clip(stream, f, int(c))
        for f, chosen in held_out.confusables
        for c in chosen[:CONFUSABLES]
    ]
    hours = sum(len(v) for v in ambient) * spec.stride / 360_000
    best = _best_window(spec, phrases, ambient, hours, limit_per_hour, real)
    cutoff = round(min(max(best.cutoff, 0.1), 0.98), 2)
    first = first_output(spec)
    accepted = [
        bool((sliding_mean(v / 256, best.window)[first:] > cutoff).any()) for v in confusables
    ]
    det = best.curve
    false = np.interp(cutoff, det.cutoffs, det.false_accepts_per_hour)
    curve_values = {
        "recall": det.recall.tolist(),
        "false_accepts_per_hour": det.false_accepts_per_hour.tolist(),
    }
    figures = {
        "confusables": len(accepted),
        "confusables_accepted": sum(accepted),
        "positives": len(best.peaks),
        "hours": hours,
        "recall": float(np.mean(best.peaks > cutoff)),
        "false_accepts_per_hour": float(false),
        "expected_per_hour": best.expected,
        "other_half_per_hour": best.other_half,
        "real": real,
        "curve": curve_values,
        "peaks": best.peaks.round(4).tolist(),
        "ambient_peaks": best.ambient_peaks.round(4).tolist(),
    }
    frames, clips = held_out.phrases[0]
    agrees = agreement(stream, spec, scanner, frames, clips[:16])
    return {"cutoff": cutoff, "window": best.window, "agreement": agrees, "held_out": figures}


def _best_window(
    spec: StreamingSpec,
    phrases: list[np.ndarray],
    ambient: list[np.ndarray],
    hours: float,
    limit_per_hour: float,
    real: bool,
) -> _Choice:
    """The window with the best recall at the limit; the first of those that are nearly equal.

    From recorded audio the cutoff follows by its tail; synthetic audio promises nothing, and a
    share of the recall is given up.
    """
    best: _Choice | None = None
    pause, first = -(-PAUSE_FRAMES // spec.stride), first_output(spec)
    for window in WINDOWS:
        highest = np.array([sliding_mean(v / 256, window)[first:].max() for v in phrases])
        means = [sliding_mean(v / 256, window)[first:] for v in ambient]
        det = curve(highest, means, hours, pause)
        cutoff, recall = det.at_limit(limit_per_hour)
        loudest = tail(means, hours, pause)
        if real:
            cutoff = loudest.cutoff(limit_per_hour)
            recall = float(np.mean(highest > cutoff))
        else:
            enough = det.recall >= recall * (1 - RECALL_SPARED)
            higher = det.cutoffs[enough & (det.cutoffs < 0.97)]
            cutoff = max(cutoff, float(higher.max(initial=0.0)))
        if best is None or recall > best.recall + 0.005:
            loud = np.array([m.max() for m in means])
            kept = other_half(means, hours, pause, limit_per_hour)
            expected = loudest.rate(cutoff)
            best = _Choice(recall, cutoff, window, det, highest, loud, expected, kept)
    assert best is not None  # WINDOWS is not empty
    return best


def calibrate(
    scanner: keras.Model, spec: StreamingSpec, held_out: HeldOut, limit_per_hour: float
) -> tuple[float, float]:
    """(shift, scale) for the logits, so that the 8 bits of the output resolve the decision.

    A network trained on synthetic voices is overconfident: logits of 20 all become 255/256 on the
    device, and no cutoff tells the television from the phrase. (logit - shift) / scale puts 0.5
    at the false-accept limit, but within the lower half of the phrases, and the clearest tenth of
    the phrases at 0.98 (temperature scaling, Guo et al. 2017, with the limit as its prior).
    """
    phrases = peaks(scanner, spec, held_out.phrases)
    parts = held_out.decisive
    loud = np.sort(peaks(scanner, spec, parts))[::-1]
    limit = float(loud[min(int(limit_per_hour * hours_of(parts)), len(loud) - 1)])
    low, middle, high = np.percentile(phrases, (5, 50, 90))
    shift = float(np.clip(limit, low, middle))
    return shift, max(0.5, float(high - shift) / 4)


def stream_clip(stream: Stream, frames: Frames, clip: int) -> np.ndarray:
    """Outputs along one stored clip from a fresh state."""
    stream.reset()
    return stream(frames.raw(clip))


def agreement(
    stream: Stream, spec: StreamingSpec, scanner: keras.Model, frames: Frames, clips: np.ndarray
) -> dict[str, float]:
    """Largest and mean difference of probability between the streaming int8 file and Keras."""
    wanted = probability(scan(scanner, spec, frames, clips))
    outputs = [stream_clip(stream, frames, int(c)) / 256 for c in clips]
    pairs = zip(outputs, wanted, strict=True)
    joined = np.concatenate([np.abs(o - w[: len(o)]) for o, w in pairs])
    return {"max": float(joined.max()), "mean": float(joined.mean())}
