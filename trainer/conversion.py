"""Corpora as sample databases or as CSV with WAV files, for other trainers."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from trainer import audio, readers
from trainer.audio import AudioError
from trainer.readers import ReaderError, sdb


def convert(source: str, target: Path) -> tuple[int, list[tuple[str, str]]]:
    """(clips written, those set aside with reasons). Raises ReaderError."""
    aside: list[tuple[str, str]] = []
    clips = _clips(source, aside)
    if target.suffix == ".sdb":
        return sdb.write(target, clips), aside
    if target.suffix != ".csv":
        raise ReaderError(f"{target}: give a name that ends in .sdb or .csv")
    folder = target.with_suffix("")
    folder.mkdir(parents=True, exist_ok=True)
    count = 0
    with target.open("w", newline="", encoding="utf-8") as out:
        table = csv.writer(out)
        table.writerow(("wav_filename", "wav_filesize", "transcript", "speaker"))
        for count, (samples, transcript, speaker) in enumerate(clips, 1):
            path = folder / f"{count - 1:08d}.wav"
            audio.write_wav(path, samples)
            table.writerow((f"{folder.name}/{path.name}", path.stat().st_size, transcript, speaker))
    return count, aside


def _clips(source: str, aside: list[tuple[str, str]]) -> Iterator[tuple[np.ndarray, str, str]]:
    for u in readers.read(*readers.place_of(source)):
        try:
            yield audio.read(Path(u.path), u.start, u.end, u.channel), u.transcript, u.speaker
        except AudioError as error:
            aside.append((u.path, str(error)))
