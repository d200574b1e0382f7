"""VCTK: `wav48/<speaker>/*.wav` and `txt/<speaker>/*.txt`."""

from collections.abc import Iterator
from pathlib import Path

from trainer.corpora.readers import every, lines
from trainer.corpora.utterance import Utterance

TITLE = "CSTR VCTK"
LICENCE = "ODC-By 1.0 / CC BY 4.0"
SOURCE = "https://datashare.ed.ac.uk/handle/10283/2651"


def read(folder: Path) -> Iterator[Utterance]:
    """All clips, without splits, and without speaker p315, who has no texts. Raises UserError."""
    clips = every(folder, "wav48/*/*.wav", expected="wav48/<speaker>/*.wav")
    for path in clips:
        text = path.parents[2] / "txt" / path.parent.name / f"{path.stem}.txt"
        if path.parent.name != "p315":
            yield Utterance(str(path), lines(text)[0] if text.exists() else "", path.parent.name)
