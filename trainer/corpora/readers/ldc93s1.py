"""LDC93S1: one sentence of TIMIT, for a first look."""

from collections.abc import Iterator
from pathlib import Path

from trainer.corpora.readers import lines, one
from trainer.corpora.utterance import Utterance

TITLE = "LDC93S1"
LICENCE = "LDC, free sample"
SOURCE = "https://catalog.ldc.upenn.edu/desc/addenda/LDC93S1.wav"


def read(folder: Path) -> Iterator[Utterance]:
    """The one clip. Raises UserError."""
    text = " ".join(lines(one(folder, "LDC93S1.txt"))[0].split()[2:])
    yield Utterance(str(one(folder, "LDC93S1.wav")), text, "LDC93S1", "train")
