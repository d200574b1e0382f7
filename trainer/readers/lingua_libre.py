"""Lingua Libre: single words, `<language>/<speaker>/<word>.ogg`; the name is the text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from trainer.readers import Utterance, every

TITLE = "Lingua Libre"
LICENCE = "CC BY-SA 4.0"
SOURCE = "https://lingualibre.org/datasets"


def read(folder: Path, skip: str = "") -> Iterator[Utterance]:
    """All words; the corpus has no splits. `skip`: speakers to leave out, as a regular expression (Lingua Libre keeps a list of
    misleading items). Raises ReaderError.
    """
    clips = every(folder, "*.ogg", "*.wav")
    for path in clips:
        speaker = path.parent.name
        if not skip or not re.search(skip, str(path.relative_to(folder))):
            yield Utterance(str(path), path.stem, speaker)
