"""VCTK: `wav48/<speaker>/*.wav` and `txt/<speaker>/*.txt`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from trainer.readers import Utterance, every, lines

TITLE = "CSTR VCTK"
LICENCE = "ODC-By 1.0 / CC BY 4.0"
SOURCE = "https://datashare.ed.ac.uk/handle/10283/2651"


def read(folder: Path) -> Iterator[Utterance]:
    """All clips; the corpus has no splits. Speaker p315 has no texts and is left out. Raises ReaderError."""
    clips = every(folder, "wav48/*/*.wav", told="wav48/<speaker>/*.wav")
    for path in clips:
        text = path.parents[2] / "txt" / path.parent.name / f"{path.stem}.txt"
        if path.parent.name != "p315":
            yield Utterance(str(path), lines(text)[0] if text.exists() else "", path.parent.name)
