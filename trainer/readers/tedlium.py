"""TED-LIUM 2 (SLR19): `<split>/sph/*.sph` and `<split>/stm/*.stm`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from trainer.readers import Utterance, every, lines

TITLE = "TED-LIUM 2"
LICENCE = "CC BY-NC-ND 3.0"
SOURCE = "https://openslr.org/19"


IGNORED = "ignore_time_segment_in_scoring"


def read(folder: Path) -> Iterator[Utterance]:
    """Segments of the official splits; marks in braces and word variants `(2)` are taken out. Raises ReaderError."""
    tables = every(folder, "stm/*.stm", told="<split>/stm/*.stm")
    for table in tables:
        talk = table.parents[1] / "sph" / f"{table.stem}.sph"
        for line in lines(table):
            parts = line.split(maxsplit=6)
            if len(parts) == 7 and parts[6] != IGNORED:
                text = re.sub(r"\{[^}]*\}|\(\d+\)|<[^>]*>", " ", parts[6])
                text = re.sub(r" '(?=\w)", "'", text)  # "it 's"
                yield Utterance(str(talk), " ".join(text.split()), parts[2], table.parents[1].name, float(parts[3]), float(parts[4]))
