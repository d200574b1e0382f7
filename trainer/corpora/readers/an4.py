"""CMU AN4: `etc/an4_{train,test}.transcription`, `wav/an4{_clstk,test_clstk}/<speaker>/*.sph`."""

import re
from collections.abc import Iterator
from pathlib import Path

from trainer.corpora.readers import lines, one
from trainer.corpora.utterance import Utterance
from trainer.errors import UserError

TITLE = "CMU AN4"
LICENCE = "free for any purpose"
SOURCE = "http://www.speech.cs.cmu.edu/databases/an4/"


def read(folder: Path) -> Iterator[Utterance]:
    """Official train and test. Raises UserError."""
    clips = {p.stem: p for p in sorted(folder.rglob("*_clstk/*/*.*"))}
    for split in ("train", "test"):
        table = one(folder, f"an4_{split}.transcription")
        for line in lines(table):
            found = re.fullmatch(r"(?:<s>)?\s*(.*?)\s*(?:</s>)?\s*\((\S+)\)", line.strip())
            if not found:
                raise UserError(f"{table}: not a transcript: {line}")
            path = clips.get(found[2], folder / f"{found[2]}.sph")
            yield Utterance(str(path), found[1], found[2].split("-")[1], split)
