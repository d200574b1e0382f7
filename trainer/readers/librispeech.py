"""LibriSpeech (SLR12): `<set>/<speaker>/<chapter>/*.flac`, `*.trans.txt`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from trainer.readers import Utterance, every, keyed

TITLE = "LibriSpeech"
LICENCE = "CC BY 4.0"
SOURCE = "https://openslr.org/12"


def read(folder: Path) -> Iterator[Utterance]:
    """All sets that are there; train-*, dev-*, test-* are the official splits. Raises ReaderError."""
    texts = every(folder, "*.trans.txt")
    for path in texts:
        for name, text in keyed(path).items():
            yield Utterance(str(path.parent / f"{name}.flac"), text, name.split("-")[0], path.parents[2].name.split("-")[0])
