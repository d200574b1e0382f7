"""Mozilla Common Voice, releases 2 and later: `train.tsv dev.tsv test.tsv validated.tsv` and `clips/*.mp3` under a language's folder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from trainer.readers import ReaderError, Utterance, rows

TITLE = "Common Voice"
LICENCE = "CC0-1.0"
SOURCE = "https://commonvoice.mozilla.org/datasets"
SPLITS = ("train", "dev", "test")


def read(folder: Path, duplicate_sentence_count: str = "1") -> Iterator[Utterance]:
    """The official splits, each in order. With `duplicate_sentence_count` N > 1, clips of validated.tsv are trained on too, until a sentence
    comes N times; never of speakers or sentences of dev and test. Raises ReaderError when the folder is not of Common Voice.
    """
    folder = _language_folder(folder)
    for split in SPLITS:
        yield from _rows(folder, split, split)
    most = int(duplicate_sentence_count)
    if most > 1:
        told = [u for split in ("dev", "test") for u in _rows(folder, split, split)]
        speakers, sentences = {u.speaker for u in told}, {u.transcript for u in told}
        count: Counter[str] = Counter()
        there = set()
        for u in _rows(folder, "train", "train"):
            count[u.transcript] += 1
            there.add(u.path)
        for u in _rows(folder, "validated", "train"):
            if u.path not in there and u.speaker not in speakers and u.transcript not in sentences and count[u.transcript] < most:
                count[u.transcript] += 1
                yield u


def _language_folder(folder: Path) -> Path:
    """Where the tables are: archives hold <release>/<language>/."""
    for places in ([folder], folder.glob("*"), folder.glob("*/*")):
        found = sorted(place for place in places if (place / "clips").is_dir() and (place / "train.tsv").is_file())
        if len(found) > 1:
            raise ReaderError(f"{folder}: holds several languages: {', '.join(place.name for place in found)}; give the folder of one")
        if found:
            return found[0]
    raise ReaderError(f"{folder}: not a language's folder of Common Voice: it holds train.tsv and clips/")


def _rows(folder: Path, table: str, split: str) -> Iterator[Utterance]:
    for row in rows(folder / f"{table}.tsv", {"client_id", "path", "sentence"}, "excel-tab", quoted=False):
        name = row["path"] if Path(row["path"]).suffix else f"{row['path']}.mp3"
        yield Utterance(str(folder / "clips" / name), row["sentence"], row["client_id"], split)
