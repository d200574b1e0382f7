"""Mozilla Common Voice, releases 2 and later: `train.tsv dev.tsv test.tsv` and `clips/*.mp3` under a language's folder."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from trainer.readers import ReaderError, Utterance
from trainer.text import cleaned

SPLITS = ("train", "dev", "test")


def read(folder: Path, split: str) -> Iterator[Utterance]:
    """Rows of one official split, in order; sentences as labels (`text.cleaned`; what that refuses has no transcript).

    Raises ReaderError when the folder is not of Common Voice.
    """
    path = folder / f"{split}.tsv"
    if not path.is_file() or not (folder / "clips").is_dir():
        raise ReaderError(f"{folder}: not a language's folder of Common Voice: it holds {split}.tsv and clips/")
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.DictReader(file, dialect="excel-tab", quoting=csv.QUOTE_NONE)
        missing = {"client_id", "path", "sentence"} - set(rows.fieldnames or ())
        if missing:
            raise ReaderError(f"{path}: no column {' and '.join(sorted(missing))}")
        for row in rows:
            name = row["path"] if Path(row["path"]).suffix else f"{row['path']}.mp3"
            yield Utterance(str(folder / "clips" / name), cleaned(row["sentence"] or "") or "", row["client_id"], split)
