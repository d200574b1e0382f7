"""Switchboard-1 (LDC97S62): calls on two channels, `swb_ms98_transcriptions`.

By the documented layout; needs an LDC licence.
"""

from collections.abc import Iterator
from pathlib import Path

from trainer.corpora.readers import lines
from trainer.corpora.utterance import Utterance
from trainer.errors import UserError

TITLE = "Switchboard-1"
LICENCE = "LDC"
SOURCE = "https://catalog.ldc.upenn.edu/LDC97S62"


def read(folder: Path) -> Iterator[Utterance]:
    """Turns of all calls; each side of a call is a speaker. Raises UserError."""
    calls = {p.stem: p for p in sorted(folder.rglob("sw0*.sph"))}
    texts = sorted(folder.rglob("sw*-ms98-a-trans.text"))
    if not calls or not texts:
        raise UserError(f"{folder}: holds no sw0*.sph with sw*-ms98-a-trans.text")
    for path in texts:
        number, side = path.name[2:6], path.name[6]
        call = calls.get(f"sw0{number}", folder / f"sw0{number}.sph")
        for line in lines(path):
            parts = line.split(maxsplit=3)
            if line.startswith("#") or len(parts) < 4:
                continue
            times, channel = (float(parts[1]), float(parts[2])), 1 if side == "A" else 2
            yield Utterance(str(call), parts[3], f"sw{number}{side}", "", *times, channel)
