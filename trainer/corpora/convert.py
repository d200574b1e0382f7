"""Corpora as sample databases or as CSV with WAV files, for other trainers."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from trainer.audio import io as audio
from trainer.audio.decode import AudioError
from trainer.corpora import readers
from trainer.corpora.readers import sdb
from trainer.corpora.utterance import Utterance
from trainer.errors import UserError
from trainer.rejected import Rejected


def convert(source: str, target: Path) -> tuple[int, list[Rejected]]:
    """(clips written, rejected ones). The target appears when it is whole. Raises UserError."""
    kind, place = readers.place_of(source)
    if place.resolve() == target.resolve():
        raise UserError(f"{target}: would overwrite its source")
    if target.suffix not in (".sdb", ".csv"):
        raise UserError(f"{target}: give a name that ends in .sdb or .csv")
    refused: list[Rejected] = []
    utterances = list(readers.read(kind, place))
    if target.suffix == ".csv" and any(
        Path(u.path).resolve().parent == target.with_suffix("").resolve() for u in utterances
    ):
        raise UserError(f"{target.with_suffix('')}: holds clips that are read; give another name")
    clips = _clips(utterances, refused)
    unfinished = target.with_name(f"{target.name}.partial")
    if target.suffix == ".sdb":
        count = sdb.write(unfinished, ((samples, u.transcript) for samples, u in clips))
    else:
        folder = target.with_suffix("")
        folder.mkdir(parents=True, exist_ok=True)
        count = 0
        with unfinished.open("w", newline="", encoding="utf-8", errors="backslashreplace") as out:
            table = csv.writer(out)
            table.writerow(("wav_filename", "wav_filesize", "transcript", "speaker", "split"))
            for count, (samples, u) in enumerate(clips, 1):
                path = folder / f"{count - 1:08d}.wav"
                audio.write_wav(path, samples)
                file = f"{folder.name}/{path.name}", path.stat().st_size
                table.writerow((*file, u.transcript, u.speaker, u.split))
    unfinished.replace(target)
    return count, refused


def _clips(
    utterances: Sequence[Utterance], refused: list[Rejected]
) -> Iterator[tuple[np.ndarray, Utterance]]:
    for u in utterances:
        try:
            yield audio.read(Path(u.path), u.start, u.end, u.channel), u
        except AudioError as error:
            refused.append(Rejected(u.path, str(error), u.transcript))
