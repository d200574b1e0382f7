"""The user's own recordings: read, checked, trimmed to the phrase; what cannot be used is set aside with its reason."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trainer import audio
from trainer.audio import SAMPLE_RATE_HZ, Audio, AudioError
from trainer.clips import Row, audio_row

SUFFIXES = {".wav", ".flac", ".ogg", ".opus", ".mp3", ".aiff", ".aif", ".au", ".caf", ".w64"}
MAX_PERSONAL_SECONDS = 15.0
LONGEST_PHRASE_SECONDS = 2.2
PIECE_SECONDS = 10.0


class RecordingsError(Exception):
    """A folder that gives nothing usable; one line."""


@dataclass(frozen=True)
class Rejected:
    """A file that was set aside, and why."""

    path: str
    reason: str


def audio_files(folder: Path) -> list[Path]:
    """All files under `folder` that may hold audio, sorted. Raises RecordingsError when there is none."""
    if not folder.is_dir():
        raise RecordingsError(f"{folder}: no such folder; mount it, or give its path inside the container")
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.suffix.lower() in SUFFIXES)
    if not files:
        raise RecordingsError(f"{folder}: holds no audio ({' '.join(sorted(SUFFIXES))})")
    return files


def read_phrase(path: Path) -> Audio:
    """One recording of the phrase, trimmed to it. Raises AudioError with the reason when it is of no use."""
    seconds = 0.0
    blocks = []
    for block in audio.read_blocks(path, 5.0):
        blocks.append(block)
        seconds += len(block) / SAMPLE_RATE_HZ
        if seconds > MAX_PERSONAL_SECONDS:
            raise AudioError(f"longer than {MAX_PERSONAL_SECONDS:g} s: cut it to the phrase")
    samples = np.concatenate(blocks)
    if seconds < 0.25:
        raise AudioError(f"only {seconds:.2f} s long")
    if audio.rms(samples) < 1e-4:
        raise AudioError("silent")
    if np.mean(np.abs(samples) > 0.995) > 0.05:
        raise AudioError("clipped: more than 5 % of the samples are at full scale; record at a lower level")
    bounds = audio.speech_bounds(samples)
    if bounds is None:
        raise AudioError("no speech stands out of the background")
    first, last = bounds
    if (last - first) / SAMPLE_RATE_HZ > LONGEST_PHRASE_SECONDS:
        raise AudioError(f"{(last - first) / SAMPLE_RATE_HZ:.1f} s of speech: more than the phrase; cut it to the phrase")
    if (last - first) / SAMPLE_RATE_HZ < 0.15:
        raise AudioError("less than 0.15 s stands out of the background")
    margin = SAMPLE_RATE_HZ // 20
    return samples[max(0, first - margin) : last]


@dataclass(frozen=True)
class FilesPlan:
    """Recordings to read; `whole` keeps all of a file, in pieces of ten seconds, instead of one phrase."""

    files: tuple[str, ...]
    whole: bool


def read_chunk(plan: FilesPlan, chunk: int) -> Iterator[Row]:
    """The rows of one file; none when it is rejected (`rejected` tells why)."""
    try:
        if not plan.whole:
            samples = read_phrase(Path(plan.files[chunk]))
            yield audio_row(samples, chunk, len(samples))
            return
        for block in audio.read_blocks(Path(plan.files[chunk]), PIECE_SECONDS):
            if len(block) >= SAMPLE_RATE_HZ // 2:
                yield audio_row(block, chunk)
    except AudioError:
        return


def reason_for(plan: FilesPlan, number: int) -> Rejected | None:
    """Why file `number` cannot be used, or None."""
    path = Path(plan.files[number])
    try:
        if plan.whole:
            for _ in audio.read_blocks(path):
                pass
        else:
            read_phrase(path)
    except AudioError as error:
        return Rejected(str(path), str(error))
    return None


def write_rejected(path: Path, rejected: list[Rejected]) -> None:
    """rejected.csv: path, reason."""
    with path.open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["path", "reason"])
        writer.writerows((r.path, r.reason) for r in rejected)
