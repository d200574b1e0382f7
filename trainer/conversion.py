"""Corpora as sample databases or as CSV with WAV files, for other trainers."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from trainer import audio, readers
from trainer.audio import AudioError
from trainer.readers import ReaderError, Utterance, sdb


def convert(source: str, target: Path) -> tuple[int, list[tuple[str, str]]]:
    """(clips written, those set aside with reasons). The target appears when it is whole. Raises ReaderError."""
    kind, place = readers.place_of(source)
    if place.resolve() == target.resolve():
        raise ReaderError(f"{target}: would be written over what is read")
    if target.suffix not in (".sdb", ".csv"):
        raise ReaderError(f"{target}: give a name that ends in .sdb or .csv")
    aside: list[tuple[str, str]] = []
    utterances = list(readers.read(kind, place))
    if target.suffix == ".csv" and any(Path(u.path).resolve().parent == target.with_suffix("").resolve() for u in utterances):
        raise ReaderError(f"{target.with_suffix('')}: clips that are read lie there, and would be written over: give another name")
    clips = _clips(utterances, aside)
    unfinished = target.with_name(f"{target.name}.partial")
    if target.suffix == ".sdb":
        count = sdb.write(unfinished, ((samples, u.transcript) for samples, u in clips))
    else:
        folder = target.with_suffix("")
        folder.mkdir(parents=True, exist_ok=True)
        count = 0
        with unfinished.open("w", newline="", encoding="utf-8") as out:
            table = csv.writer(out)
            table.writerow(("wav_filename", "wav_filesize", "transcript", "speaker", "split"))
            for count, (samples, u) in enumerate(clips, 1):
                path = folder / f"{count - 1:08d}.wav"
                audio.write_wav(path, samples)
                table.writerow((f"{folder.name}/{path.name}", path.stat().st_size, u.transcript, u.speaker, u.split))
    unfinished.replace(target)
    return count, aside


def _clips(utterances: Sequence[Utterance], aside: list[tuple[str, str]]) -> Iterator[tuple[np.ndarray, Utterance]]:
    for u in utterances:
        try:
            yield audio.read(Path(u.path), u.start, u.end, u.channel), u
        except AudioError as error:
            aside.append((u.path, str(error)))
