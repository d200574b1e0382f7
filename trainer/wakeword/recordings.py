"""The user's own recordings: read, checked, trimmed to the phrase, or rejected with a reason."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trainer.audio import io as audio
from trainer.audio.io import SAMPLE_RATE_HZ, Audio, AudioError
from trainer.errors import UserError
from trainer.rejected import Rejected
from trainer.store import Row, audio_row

SUFFIXES = set(".wav .flac .ogg .opus .mp3 .aiff .aif .au .caf .w64".split())
MAX_PERSONAL_SECONDS = 15.0
LONGEST_PHRASE_SECONDS = 2.2
PIECE_SECONDS = 10.0
SHORTEST_PIECE_SECONDS = 0.5


def audio_files(folder: Path) -> list[Path]:
    """All files under `folder` that may hold audio, sorted. Raises UserError if none does."""
    if not folder.is_dir():
        raise UserError(
            f"{folder}: no such folder; mount it, or give its path inside the container"
        )
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.suffix.lower() in SUFFIXES)
    if not files:
        raise UserError(f"{folder}: holds no audio ({' '.join(sorted(SUFFIXES))})")
    return files


def read_phrase(path: Path) -> Audio:
    """One recording of the phrase, trimmed to it. Raises AudioError with the reason if unusable."""
    seconds = 0.0
    blocks = []
    for block in audio.read_blocks(path, 5.0):
        blocks.append(block)
        seconds += len(block) / SAMPLE_RATE_HZ
        if seconds > MAX_PERSONAL_SECONDS:
            raise AudioError(f"longer than {MAX_PERSONAL_SECONDS:g} s: cut it to the phrase")
    samples = np.concatenate(blocks)
    if seconds < 0.25:
        raise AudioError(f"too short: {seconds:.2f} s")
    if audio.rms(samples) < 1e-4:
        raise AudioError("silent")
    if np.mean(np.abs(samples) > 0.995) > 0.05:
        raise AudioError(
            "clipped: more than 5 % of the samples are at full scale; record at a lower level"
        )
    bounds = audio.speech_bounds(samples)
    if bounds is None:
        raise AudioError("no speech stands out from the background")
    first, last = bounds
    speech_seconds = (last - first) / SAMPLE_RATE_HZ
    if speech_seconds > LONGEST_PHRASE_SECONDS:
        raise AudioError(
            f"more speech than the phrase: {speech_seconds:.1f} s; cut it to the phrase"
        )
    if speech_seconds < 0.15:
        raise AudioError("less than 0.15 s of speech stands out from the background")
    margin = SAMPLE_RATE_HZ // 20
    return samples[max(0, first - margin) : last]


@dataclass(frozen=True)
class FilesPlan:
    """Recordings to read; `whole` keeps all of a file, in pieces of ten seconds, instead of one
    phrase."""

    files: tuple[str, ...]
    whole: bool


def read_chunk(plan: FilesPlan, number: int) -> Iterator[Row | Rejected]:
    """The clips of file `number`, or why it is rejected."""
    path = Path(plan.files[number])
    try:
        if not plan.whole:
            samples = read_phrase(path)
            yield audio_row(samples, number, len(samples))
            return
        used = False
        for block in audio.read_blocks(path, PIECE_SECONDS):
            if len(block) >= SHORTEST_PIECE_SECONDS * SAMPLE_RATE_HZ:
                yield audio_row(block, number)
                used = True
        if not used:
            raise AudioError(f"too short: less than {SHORTEST_PIECE_SECONDS:g} s")
    except AudioError as error:
        yield Rejected(str(path), str(error))
