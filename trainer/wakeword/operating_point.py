"""Cutoff and sliding window for the manifest, from the exported model on held-out clips."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from trainer import metrics
from trainer.clips import Frames
from trainer.export.tflite import Stream
from trainer.wakeword.evaluation import PAUSE_FRAMES
from trainer.wakeword.learning import probability, scan

WINDOWS = (5, 3, 4, 6, 8)
RECALL_SPARED = 0.01  # recall given up for a higher cutoff: synthetic ambient audio is easier than a living room


def choose(
    data: bytes, spec: Any, scanner: keras.Model, positives: tuple[Frames, np.ndarray],
    ambient: Sequence[tuple[Frames, np.ndarray]], limit_per_hour: float,
) -> dict[str, Any]:
    """Cutoff, window, agreement of the exported file with Keras, and the figures behind the choice."""
    stream = Stream(data)
    frames, clips = positives
    said = [stream_clip(stream, frames, int(c)) for c in clips[:400]]
    heard = [stream_clip(stream, f, int(c)) for f, chosen in ambient for c in chosen[: int(1800 * 100 / f.index["length"][0])]]
    hours = sum(len(v) for v in heard) * spec.stride / 360_000
    best: tuple[float, float, int, metrics.Curve, np.ndarray, np.ndarray] | None = None
    pause = -(-PAUSE_FRAMES // spec.stride)
    settle = spec.frames // spec.stride
    for window in WINDOWS:
        peaks = np.array([metrics.sliding_mean(v / 256, window)[settle:].max() for v in said])
        means = [metrics.sliding_mean(v / 256, window)[settle:] for v in heard]
        curve = metrics.curve(peaks, means, hours, pause)
        cutoff, recall = curve.at_limit(limit_per_hour)
        higher = curve.cutoffs[(curve.recall >= recall - RECALL_SPARED) & (curve.cutoffs < 0.97)]
        cutoff = max(cutoff, float(higher.max(initial=0.0)))
        if best is None or recall > best[0] + 0.005:
            best = recall, cutoff, window, curve, peaks, np.array([m.max() for m in means])
    assert best is not None
    _, cutoff, window, curve, peaks, loud = best
    cutoff = round(min(max(cutoff, 0.1), 0.98), 2)
    return {
        "cutoff": cutoff,
        "window": window,
        "agreement": agreement(stream, spec, scanner, frames, clips[:16]),
        "held_out": {
            "positives": len(peaks), "hours": hours, "recall": float(np.mean(peaks > cutoff)),
            "false_accepts_per_hour": float(np.interp(cutoff, curve.cutoffs, curve.false_accepts_per_hour)),
            "curve": {"recall": curve.recall.tolist(), "false_accepts_per_hour": curve.false_accepts_per_hour.tolist()},
            "peaks": peaks.round(4).tolist(), "ambient_peaks": loud.round(4).tolist(),
        },
    }


def calibrate(scanner: keras.Model, positives: tuple[Frames, np.ndarray], ambient: Sequence[tuple[Frames, np.ndarray]],
              limit_per_hour: float) -> tuple[float, float]:
    """(shift, scale) for the logits, so that the 8 bits of the output resolve where the decision lies.

    A network trained on synthetic voices is sure of all it knows: logits of 20, all of them 255/256 on the device, and no
    cutoff tells the television from the phrase. (logit - shift) / scale puts 0.5 at the false-accept limit and the median
    phrase at 0.97 (temperature scaling, Guo et al. 2017, with the limit as its prior).
    """
    frames, clips = positives
    peaks = metrics.sliding_mean(scan(scanner, frames, clips), 5)[:, 5:].max(1)
    loud = np.concatenate([metrics.sliding_mean(scan(scanner, f, c), 5)[:, 5:].max(1) for f, c in ambient])
    hours = sum(float(f.index["length"][c].sum()) for f, c in ambient) / 360_000
    allowed = int(limit_per_hour * hours)
    limit = float(np.sort(loud)[::-1][min(allowed, len(loud) - 1)])
    typical = float(np.median(peaks))
    # a model that does not separate them is left as it is
    return (limit, max(0.5, (typical - limit) / 3.5)) if typical > limit else (0.0, 1.0)


def stream_clip(stream: Stream, frames: Frames, clip: int) -> np.ndarray:
    """Outputs along one stored clip from a fresh state."""
    stream.reset()
    return stream(frames.raw(clip))


def agreement(stream: Stream, spec: Any, scanner: keras.Model, frames: Frames, clips: np.ndarray) -> dict[str, float]:
    """Largest and mean difference of probability between the streaming int8 file and Keras, where both see a whole window."""
    wanted = probability(scan(scanner, frames, clips))
    first = spec.frames // spec.stride - 1
    differences = [
        np.abs(stream_clip(stream, frames, int(c))[first:][: wanted.shape[1]] / 256 - w[: len(frames.raw(int(c))) // spec.stride - first])
        for c, w in zip(clips, wanted, strict=True)
    ]
    joined = np.concatenate(differences)
    return {"max": float(joined.max()), "mean": float(joined.mean())}
