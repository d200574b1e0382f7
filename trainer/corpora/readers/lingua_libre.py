"""Lingua Libre: single words, `<language>/<speaker>/<word>.ogg`; the name is the text."""

import re
from collections.abc import Iterator
from pathlib import Path

from trainer.corpora.readers import every
from trainer.corpora.utterance import Utterance

TITLE = "Lingua Libre"
LICENCE = "CC BY-SA 4.0"
SOURCE = "https://lingualibre.org/datasets"


def read(folder: Path, skip: str = "") -> Iterator[Utterance]:
    """All words, without splits. `skip`: a regular expression of speakers to leave out (Lingua
    Libre lists those with poor recordings). Raises UserError."""
    clips = every(folder, "*.ogg", "*.wav")
    for path in clips:
        speaker = path.parent.name
        if not skip or not re.search(skip, str(path.relative_to(folder))):
            yield Utterance(str(path), path.stem, speaker)
