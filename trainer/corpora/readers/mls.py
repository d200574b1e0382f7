"""Multilingual LibriSpeech (SLR94): `<split>/transcripts.txt`, `<split>/audio/...` (opus, flac)."""

from collections.abc import Iterator
from pathlib import Path

from trainer.corpora.readers import every, lines
from trainer.corpora.utterance import Utterance

TITLE = "Multilingual LibriSpeech"
LICENCE = "CC BY 4.0"
SOURCE = "https://openslr.org/94"


def read(folder: Path) -> Iterator[Utterance]:
    """Clips of the official splits. Raises UserError."""
    tables = every(folder, "transcripts.txt", expected="<split>/transcripts.txt")
    for table in tables:
        kind = "flac" if next(table.parent.rglob("audio/*/*/*.flac"), None) else "opus"
        for line in lines(table):
            name, _, text = line.partition("\t")
            speaker, book, _ = (*name.split("_"), "", "")[:3]
            yield Utterance(
                str(table.parent / "audio" / speaker / book / f"{name}.{kind}"),
                text,
                speaker,
                table.parent.name,
            )
