"""A folder of audio files, each with its transcript beside it in a text file of the same name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from trainer.readers import AUDIO, Utterance, lines

TITLE, LICENCE, SOURCE = "A folder of clips", "", ""


def read(folder: Path) -> Iterator[Utterance]:
    """Clips in order of their paths; the folder that a clip lies in is its speaker. A missing text is an empty transcript."""
    for path in sorted(p for p in folder.rglob("*") if p.suffix.lower() in AUDIO):
        text = path.with_suffix(".txt")
        yield Utterance(str(path), " ".join(lines(text)) if text.exists() else "", "" if path.parent == folder else path.parent.name)
