"""Cutoff and sliding window for the manifest, from the exported model on held-out clips."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from trainer import metrics
from trainer.batches import HeldOut
from trainer.clips import Frames
from trainer.export.tflite import Stream
from trainer.wakeword.evaluation import PAUSE_FRAMES
from trainer.wakeword.learning import WINDOW, heard_from, peaks, probability, scan

WINDOWS = (5, 3, 4, 6, 8)
RECALL_SPARED = 0.12  # of the recall, given up for a higher cutoff: synthetic ambient audio is easier than a living room


def choose(data: bytes, spec: Any, scanner: keras.Model, held_out: HeldOut, limit_per_hour: float) -> dict[str, Any]:
    """Cutoff, window, agreement of the exported file with Keras, and the figures behind the choice."""
    stream = Stream(data)
    frames, clips = held_out.phrases
    said = [stream_clip(stream, frames, int(c)) for c in clips[:400]]
    heard = [stream_clip(stream, f, int(c)) for f, chosen in held_out.ambient for c in chosen[: int(1800 * 100 / f.index["length"][0])]]
    near = [stream_clip(stream, f, int(c)) for f, chosen in held_out.near_misses for c in chosen[:200]]
    hours = sum(len(v) for v in heard) * spec.stride / 360_000
    best: tuple[float, float, int, metrics.Curve, np.ndarray, np.ndarray] | None = None
    pause = -(-PAUSE_FRAMES // spec.stride)
    first = heard_from(spec)
    for window in WINDOWS:
        peaks = np.array([metrics.sliding_mean(v / 256, window)[first:].max() for v in said])
        means = [metrics.sliding_mean(v / 256, window)[first:] for v in heard]
        curve = metrics.curve(peaks, means, hours, pause)
        cutoff, recall = curve.at_limit(limit_per_hour)
        higher = curve.cutoffs[(curve.recall >= recall * (1 - RECALL_SPARED)) & (curve.cutoffs < 0.97)]
        cutoff = max(cutoff, float(higher.max(initial=0.0)))
        if best is None or recall > best[0] + 0.005:
            best = recall, cutoff, window, curve, peaks, np.array([m.max() for m in means])
    assert best is not None
    _, cutoff, window, curve, peaks, loud = best
    cutoff = round(min(max(cutoff, 0.1), 0.98), 2)
    taken = [bool((metrics.sliding_mean(v / 256, window)[first:] > cutoff).any()) for v in near]
    return {
        "cutoff": cutoff,
        "window": window,
        "agreement": agreement(stream, spec, scanner, frames, clips[:16]),
        "held_out": {
            "near_misses": len(taken), "near_misses_taken": sum(taken),
            "positives": len(peaks), "hours": hours, "recall": float(np.mean(peaks > cutoff)),
            "false_accepts_per_hour": float(np.interp(cutoff, curve.cutoffs, curve.false_accepts_per_hour)),
            "curve": {"recall": curve.recall.tolist(), "false_accepts_per_hour": curve.false_accepts_per_hour.tolist()},
            "peaks": peaks.round(4).tolist(), "ambient_peaks": loud.round(4).tolist(),
        },
    }


def calibrate(scanner: keras.Model, spec: Any, held_out: HeldOut, limit_per_hour: float) -> tuple[float, float]:
    """(shift, scale) for the logits, so that the 8 bits of the output resolve where the decision lies.

    A network trained on synthetic voices is sure of all it knows: logits of 20, all of them 255/256 on the device, and no
    cutoff tells the television from the phrase. (logit - shift) / scale puts 0.5 at the false-accept limit, but not
    outside the lower half of the phrases, and the clearest tenth of the phrases at 0.98 (temperature scaling, Guo et al.
    2017, with the limit as its prior).
    """

    said, loud = peaks(scanner, spec, [held_out.phrases], WINDOW), peaks(scanner, spec, held_out.ambient, WINDOW)
    limit = float(np.sort(loud)[::-1][min(int(limit_per_hour * held_out.ambient_hours), len(loud) - 1)])
    low, middle, high = np.percentile(said, (5, 50, 90))
    shift = float(np.clip(limit, low, middle))
    return shift, max(0.5, float(high - shift) / 4)


def stream_clip(stream: Stream, frames: Frames, clip: int) -> np.ndarray:
    """Outputs along one stored clip from a fresh state."""
    stream.reset()
    return stream(frames.raw(clip))


def agreement(stream: Stream, spec: Any, scanner: keras.Model, frames: Frames, clips: np.ndarray) -> dict[str, float]:
    """Largest and mean difference of probability between the streaming int8 file and Keras, from the first output on."""
    wanted = probability(scan(scanner, spec, frames, clips))
    outputs = [stream_clip(stream, frames, int(c)) / 256 for c in clips]
    joined = np.concatenate([np.abs(o - w[: len(o)]) for o, w in zip(outputs, wanted, strict=True)])
    return {"max": float(joined.max()), "mean": float(joined.mean())}
