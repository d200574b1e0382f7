"""Tempo and pitch of a clip: signalsmith-stretch, or WSOLA where it has no wheel (aarch64)."""

from functools import cache
from typing import Any

import numpy as np

from trainer.audio.io import SAMPLE_RATE_HZ, Audio, resample

SLOWEST = 0.5  # below, signalsmith draws phases from a generator that cannot be seeded
FRAME, HOP, REACH = 512, 256, 160  # samples: 32 ms, 16 ms, search of 10 ms


@cache
def _signalsmith() -> Any:
    """The library's class; None where it is not installed."""
    try:
        from python_stretch import Signalsmith
    except ImportError:
        return None
    return Signalsmith


def change_tempo(samples: Audio, factor: float) -> Audio:
    """`factor` times as fast, pitch kept."""
    if (library := _signalsmith()) is None:
        return wsola(samples, factor)
    if factor < SLOWEST:
        samples, factor = change_tempo(samples, factor / SLOWEST), SLOWEST
    stretch = library.Stretch()
    stretch.preset(1, SAMPLE_RATE_HZ)
    stretch.setTimeFactor(factor)
    return np.asarray(stretch.process(samples[None, :].astype(np.float32)))[0]


def shift_pitch(samples: Audio, semitones: float) -> Audio:
    """Pitch and formants by `semitones`, same length."""
    if (library := _signalsmith()) is None:
        factor = 2 ** (semitones / 12)
        shifted = resample(wsola(samples, 1 / factor), SAMPLE_RATE_HZ * factor, "MQ")
        return np.resize(np.pad(shifted, (0, max(0, len(samples) - len(shifted)))), len(samples))
    stretch = library.Stretch()
    stretch.preset(1, SAMPLE_RATE_HZ)
    stretch.setTransposeSemitones(semitones)
    return np.asarray(stretch.process(samples[None, :].astype(np.float32)))[0]


def wsola(samples: Audio, factor: float) -> Audio:
    """`factor` times as fast by overlapping frames at their most alike places (waveform similarity
    overlap-add, Verhelst & Roelands 1993)."""
    count = max(1, round(len(samples) / factor / HOP))
    padded = np.pad(samples.astype(np.float32), (REACH, FRAME + HOP + 2 * REACH))
    window = np.hanning(FRAME + 1)[:-1].astype(np.float32)
    out = np.zeros(count * HOP + FRAME, np.float32)
    weight = np.zeros_like(out)
    place = 0
    for i in range(count):
        wanted = min(round(i * HOP * factor), len(samples))
        if i:  # near the wanted place, where the frame goes on as the last one did
            follows = padded[REACH + place + HOP : REACH + place + HOP + FRAME]
            around = padded[wanted : wanted + FRAME + 2 * REACH]
            wanted += int(np.argmax(np.correlate(around, follows, "valid"))) - REACH
        place = min(max(wanted, -REACH), len(samples))
        out[i * HOP : i * HOP + FRAME] += window * padded[REACH + place : REACH + place + FRAME]
        weight[i * HOP : i * HOP + FRAME] += window
    return (out / np.maximum(weight, 1e-3))[: round(len(samples) / factor)]
