"""Mozilla Common Voice, releases 2 and later: `train.tsv` and others, `clips/*.mp3`."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from trainer.corpora.readers import rows
from trainer.corpora.utterance import Utterance
from trainer.errors import UserError

TITLE = "Common Voice"
LICENCE = "CC0-1.0"
SOURCE = "https://commonvoice.mozilla.org/datasets"
SPLITS = ("train", "dev", "test")


def read(folder: Path, duplicate_sentence_count: str = "1") -> Iterator[Utterance]:
    """The official splits, each in order. Raises UserError for another layout.

    With `duplicate_sentence_count` N > 1, clips of validated.tsv are added to train until a
    sentence occurs N times, never of speakers or sentences of dev and test.
    """
    folder = _language_folder(folder)
    for split in SPLITS:
        yield from _rows(folder, split, split)
    most = int(duplicate_sentence_count)
    if most > 1:
        held_out = [u for split in ("dev", "test") for u in _rows(folder, split, split)]
        speakers, sentences = {u.speaker for u in held_out}, {u.transcript for u in held_out}
        count: Counter[str] = Counter()
        there = set()
        for u in _rows(folder, "train", "train"):
            count[u.transcript] += 1
            there.add(u.path)
        for u in _rows(folder, "validated", "train"):
            if (
                u.path not in there
                and u.speaker not in speakers
                and u.transcript not in sentences
                and count[u.transcript] < most
            ):
                count[u.transcript] += 1
                yield u


def _language_folder(folder: Path) -> Path:
    """Where the tables are: archives hold <release>/<language>/."""
    for places in ([folder], folder.glob("*"), folder.glob("*/*")):
        found = sorted(
            place
            for place in places
            if (place / "clips").is_dir() and (place / "train.tsv").is_file()
        )
        if len(found) > 1:
            raise UserError(
                f"{folder}: holds several languages ({', '.join(p.name for p in found)}): give the "
                "folder of one"
            )
        if found:
            return found[0]
    raise UserError(
        f"{folder}: not a language folder of Common Voice, which holds train.tsv and clips/"
    )


def _rows(folder: Path, table: str, split: str) -> Iterator[Utterance]:
    for row in rows(
        folder / f"{table}.tsv", {"client_id", "path", "sentence"}, "excel-tab", quoted=False
    ):
        name = row["path"] if Path(row["path"]).suffix else f"{row['path']}.mp3"
        yield Utterance(str(folder / "clips" / name), row["sentence"], row["client_id"], split)
