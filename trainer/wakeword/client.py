"""The finished files in pymicro-wakeword, the library of Home Assistant's satellites."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from pymicro_wakeword import MicroWakeWord, MicroWakeWordFeatures

from trainer.audio.io import SAMPLE_RATE_HZ, Audio, to_int16


def wakes(manifest: Path, clips: Iterable[Audio]) -> list[bool]:
    """Whether the client wakes at each clip, with a second of faint noise before and after it."""
    client = MicroWakeWord.from_config(manifest)
    quiet = np.random.default_rng(0).normal(0, 1e-4, SAMPLE_RATE_HZ).astype(np.float32)
    found = []
    for clip in clips:
        client.reset()
        front_end = MicroWakeWordFeatures()
        audio = to_int16(np.concatenate([quiet, clip, quiet])).tobytes()
        frames = front_end.process_streaming(audio)
        found.append(sum(bool(client.process_streaming(frame)) for frame in frames) > 0)
    return found
