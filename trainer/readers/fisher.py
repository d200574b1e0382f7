"""Fisher English (LDC2004S13/T19, LDC2005S13/T19): calls on two channels, texts with times. Documented layout; needs an LDC licence."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from trainer.readers import ReaderError, Utterance, lines

TITLE = "Fisher English"
LICENCE = "LDC"
SOURCE = "https://catalog.ldc.upenn.edu/LDC2004S13"


# segments whose times or texts are wrong (found by the users of the original importer): call, start
WRONG = {("fe_03_00027", 393.8), ("fe_03_11487", 31.09), ("fe_03_01326", 307.42), ("fe_03_00265", 33.53), ("fe_03_00991", 527.39),
         ("fe_03_10282", 344.42), ("fe_03_10677", 101.04)}


def read(folder: Path) -> Iterator[Utterance]:
    """Turns of all calls; each side of a call is a speaker. Raises ReaderError."""
    calls = {p.stem: p for p in sorted(folder.rglob("*.sph"))}
    texts = sorted(folder.rglob("trans/**/fe_03_*.txt"))
    if not calls or not texts:
        raise ReaderError(f"{folder}: holds no *.sph with trans/**/fe_03_*.txt of the LDC's folders")
    for path in texts:
        for line in lines(path):
            parts = line.split(maxsplit=3)
            if line.startswith("#") or len(parts) < 4 or (path.stem, float(parts[0])) in WRONG:
                continue
            side = parts[2].rstrip(":")
            call = calls.get(path.stem, folder / f"{path.stem}.sph")
            yield Utterance(str(call), parts[3], f"{path.stem}{side}", "", float(parts[0]), float(parts[1]), 1 if side == "A" else 2)
