"""A folder of audio files, each with its transcript beside it in a text file of the same name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from trainer.readers import AUDIO, ReaderError, Utterance, lines

TITLE, LICENCE, SOURCE = "A folder of clips", "", ""


def read(folder: Path) -> Iterator[Utterance]:
    """Clips in order of their paths; the folder that a clip lies in is its speaker. A missing text is an empty transcript. Where there is
    a text but no sound of its name, what is there is a clip all the same: that it cannot be decoded is then told. Raises ReaderError.
    """
    if not folder.is_dir():
        raise ReaderError(f"{folder}: no such folder")
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    texts = {p.with_suffix(""): p for p in files if p.suffix.lower() == ".txt"}
    heard = {p.with_suffix("") for p in files if p.suffix.lower() in AUDIO}
    for path in files:
        text = texts.get(path.with_suffix(""))
        if path.suffix.lower() in AUDIO or (text and path != text and path.with_suffix("") not in heard):
            yield Utterance(str(path), " ".join(lines(text)) if text else "", "" if path.parent == folder else path.parent.name)
