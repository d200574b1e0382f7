"""TED-LIUM 2 (SLR19): `<split>/sph/*.sph` and `<split>/stm/*.stm`."""

import re
from collections.abc import Iterator
from pathlib import Path

from trainer.corpora.readers import every, lines
from trainer.corpora.utterance import Utterance

TITLE = "TED-LIUM 2"
LICENCE = "CC BY-NC-ND 3.0"
SOURCE = "https://openslr.org/19"


IGNORED = "ignore_time_segment_in_scoring"


def read(folder: Path) -> Iterator[Utterance]:
    """Segments of the official splits, without marks in braces and `(2)`. Raises UserError."""
    tables = every(folder, "stm/*.stm", expected="<split>/stm/*.stm")
    for table in tables:
        talk = table.parents[1] / "sph" / f"{table.stem}.sph"
        for line in lines(table):
            parts = line.split(maxsplit=6)
            if len(parts) == 7 and parts[6] != IGNORED:
                text = re.sub(r"\{[^}]*\}|\(\d+\)|<[^>]*>", " ", parts[6])
                text = re.sub(r" '(?=\w)", "'", text)  # "it 's"
                text, split = " ".join(text.split()), table.parents[1].name
                times = float(parts[3]), float(parts[4])
                yield Utterance(str(talk), text, parts[2], split, *times)
