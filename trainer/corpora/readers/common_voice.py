"""Mozilla Common Voice, releases 2 and later: `train.tsv` and others, `clips/*.mp3`.

A folder may hold a release (`<release>/<language>/`) and deltas, which bring new clips of
validated.tsv without splits.
"""

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
OWN = "own"


def read(folder: Path, duplicate_sentence_count: str = "1", split: str = "") -> Iterator[Utterance]:
    """The official splits, each in order, and the clips of deltas as training clips. Raises
    UserError for another layout.

    With `duplicate_sentence_count` N > 1, clips of validated.tsv are added to train until a
    sentence occurs N times; never of speakers or sentences of dev and test, nor are those of
    deltas. With `split=own`: all clips of validated.tsv, without splits.
    """
    if split not in ("", OWN):
        raise UserError(f"common_voice: split={split}: leave it out, or give split={OWN}")
    bases, deltas = _language_folders(folder)
    if split == OWN:
        for place in (*bases, *deltas):
            yield from _rows(place, "validated", "")
        return
    if not bases:
        raise UserError(f"{folder}: holds deltas only: add the release before them")
    (base,) = bases
    for use in SPLITS:
        yield from _rows(base, use, use)
    most = int(duplicate_sentence_count)
    if most <= 1 and not deltas:
        return
    held_out = [u for use in ("dev", "test") for u in _rows(base, use, use)]
    speakers, sentences = {u.speaker for u in held_out}, {u.transcript for u in held_out}
    count: Counter[str] = Counter()
    there = set()
    for u in _rows(base, "train", "train"):
        count[u.transcript] += 1
        there.add(Path(u.path).name)
    for place in [base] * (most > 1) + deltas:
        for u in _rows(place, "validated", "train"):
            free = u.speaker not in speakers and u.transcript not in sentences
            if free and Path(u.path).name not in there and count[u.transcript] < max(most, 1):
                count[u.transcript] += 1
                there.add(Path(u.path).name)
                yield u


def _language_folders(folder: Path) -> tuple[list[Path], list[Path]]:
    """(release, deltas): folders with tables and clips. Archives hold <release>/<language>/."""
    found: list[Path] = []
    for pattern in ("", "*", "*/*", "*/*/*"):
        places = [folder] if not pattern else sorted(folder.glob(pattern))
        found += [p for p in places if _is_language(p) and not set(found) & set(p.parents)]
    if not found:
        raise UserError(
            f"{folder}: not a language folder of Common Voice, which holds train.tsv and clips/"
        )
    bases = [p for p in found if _has_train(p)]
    deltas = [p for p in found if not _has_train(p)]
    if len(bases) > 1 or len({p.name for p in found}) > 1:
        names = ", ".join(str(p.relative_to(folder)) for p in found)
        raise UserError(f"{folder}: holds several languages ({names}): give the folder of one")
    return bases, deltas


def _is_language(place: Path) -> bool:
    return (place / "clips").is_dir() and (_has_train(place) or (place / "validated.tsv").is_file())


def _has_train(place: Path) -> bool:
    return (place / "train.tsv").is_file()


def _rows(folder: Path, table: str, split: str) -> Iterator[Utterance]:
    for row in rows(folder / f"{table}.tsv", {"client_id", "path"}, "excel-tab", quoted=False):
        text = row.get("sentence", row.get("text"))
        if text is None:
            raise UserError(f"{folder / table}.tsv: no column sentence")
        name = row["path"] if Path(row["path"]).suffix else f"{row['path']}.mp3"
        yield Utterance(str(folder / "clips" / name), text, row["client_id"], split)
