"""Multilingual LibriSpeech (SLR94): `<split>/transcripts.txt`, `<split>/audio/<speaker>/<book>/*.opus` (or flac)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from trainer.readers import Utterance, every, lines

TITLE = "Multilingual LibriSpeech"
LICENCE = "CC BY 4.0"
SOURCE = "https://openslr.org/94"


def read(folder: Path) -> Iterator[Utterance]:
    """Clips of the official splits. Raises ReaderError."""
    tables = every(folder, "transcripts.txt", told="<split>/transcripts.txt")
    for table in tables:
        kind = "flac" if next(table.parent.rglob("audio/*/*/*.flac"), None) else "opus"
        for line in lines(table):
            name, _, text = line.partition("\t")
            speaker, book, _ = (*name.split("_"), "", "")[:3]
            yield Utterance(str(table.parent / "audio" / speaker / book / f"{name}.{kind}"), text, speaker, table.parent.name)
