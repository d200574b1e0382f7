"""Fisher English (LDC2004S13/T19, LDC2005S13/T19): calls on two channels, texts with times.

By the documented layout; needs an LDC licence.
"""

from collections.abc import Iterator
from pathlib import Path

from trainer.corpora.readers import lines
from trainer.corpora.utterance import Utterance
from trainer.errors import UserError

TITLE = "Fisher English"
LICENCE = "LDC"
SOURCE = "https://catalog.ldc.upenn.edu/LDC2004S13"


# segments whose times or texts are wrong (found by the users of the original importer): call, start
WRONG = set(
    "fe_03_00027:393.8 fe_03_11487:31.09 fe_03_01326:307.42 fe_03_00265:33.53 fe_03_00991:527.39 "
    "fe_03_10282:344.42 fe_03_10677:101.04".split()
)


def read(folder: Path) -> Iterator[Utterance]:
    """Turns of all calls; each side of a call is a speaker. Raises UserError."""
    calls = {p.stem: p for p in sorted(folder.rglob("*.sph"))}
    texts = sorted(folder.rglob("trans/**/fe_03_*.txt"))
    if not calls or not texts:
        raise UserError(f"{folder}: holds no *.sph with trans/**/fe_03_*.txt of the LDC's folders")
    for path in texts:
        for line in lines(path):
            parts = line.split(maxsplit=3)
            if line.startswith("#") or len(parts) < 4 or f"{path.stem}:{float(parts[0])}" in WRONG:
                continue
            side = parts[2].rstrip(":")
            call = calls.get(path.stem, folder / f"{path.stem}.sph")
            times, channel = (float(parts[0]), float(parts[1])), 1 if side == "A" else 2
            yield Utterance(str(call), parts[3], f"{path.stem}{side}", "", *times, channel)
