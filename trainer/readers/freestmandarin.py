"""Free ST Chinese Mandarin Corpus (SLR38): wavs with a text beside each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from trainer.readers import Utterance, lines, one

TITLE = "Free ST Chinese Mandarin Corpus"
LICENCE = "CC BY-NC-ND 4.0"
SOURCE = "https://openslr.org/38"


def read(folder: Path) -> Iterator[Utterance]:
    """All clips; the corpus has no splits. The name tells the speaker (20170001P00001A0001). Raises ReaderError."""
    for path in sorted(one(folder, "*.wav").parent.glob("*.wav")):
        text = path.with_suffix(".txt")
        yield Utterance(str(path), " ".join(lines(text)).strip() if text.exists() else "", path.stem[8:14])
