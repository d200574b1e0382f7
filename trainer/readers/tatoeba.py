"""Tatoeba: sentences read by its members; `sentences_with_audio` table with sentence, speaker, file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from trainer.readers import Utterance, one, rows

TITLE = "Tatoeba"
LICENCE = "by clip"
SOURCE = "https://tatoeba.org/downloads"


def read(folder: Path) -> Iterator[Utterance]:
    """All clips of `sentences.tsv` (id, text, username), read by `audio/<username>/<id>.mp3`; no splits. Raises ReaderError."""
    table = one(folder, "sentences.tsv")
    for row in rows(table, {"id", "text", "username"}, "excel-tab", quoted=False):
        yield Utterance(str(table.parent / "audio" / row["username"] / f"{row['id']}.mp3"), row["text"], row["username"])
