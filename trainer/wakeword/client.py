"""The proof: the finished files in the library that Home Assistant's satellites use (pymicro-wakeword)."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from pymicro_wakeword import MicroWakeWord, MicroWakeWordFeatures

from trainer.audio import SAMPLE_RATE_HZ, Audio, to_int16


def wakes(manifest: Path, clips: Iterable[Audio]) -> list[bool]:
    """Whether the client wakes at each clip, heard after and before a second of faint noise."""
    client = MicroWakeWord.from_config(manifest)
    quiet = np.random.default_rng(0).normal(0, 1e-4, SAMPLE_RATE_HZ).astype(np.float32)
    found = []
    for clip in clips:
        client.reset()
        front_end = MicroWakeWordFeatures()
        audio = to_int16(np.concatenate([quiet, clip, quiet])).tobytes()
        found.append(sum(bool(client.process_streaming(frame)) for frame in front_end.process_streaming(audio)) > 0)
    return found
