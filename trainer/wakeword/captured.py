"""Clips that woke a device, sorted by a model into likely right and likely wrong; a person corrects
captured.csv, and the next run trains on both."""

import csv
from pathlib import Path

from trainer.errors import UserError
from trainer.log import log
from trainer.rejected import Rejected
from trainer.wakeword.evaluation import load, peaks
from trainer.wakeword.recordings import files_of
from trainer.workers import Workers

FILE = "captured.csv"
HEADER = ("file", "wake", "score", "remark")
ANSWERS = {"yes": True, "no": False}


def sort(model: Path, folder: Path, workers: Workers) -> list[Rejected]:
    """Write captured.csv into `folder`, the least certain first; returns files that cannot be read.

    `wake` is yes where the model's score is above its cutoff. Answers of an earlier captured.csv
    are kept. Raises UserError.
    """
    path = folder / FILE
    kept = {row["file"]: row for row in _rows(path)} if path.exists() else {}
    files = [p for p in files_of(folder) if p.name != FILE]
    cutoff, rows, refused = load(model).cutoff, [], []
    for path_of_clip, peak in peaks(model, files, workers).items():
        if isinstance(peak, Rejected):
            refused.append(peak)
            continue
        name = str(Path(path_of_clip).relative_to(folder))
        before = kept.get(name, {})
        wake = before.get("wake") or ("yes" if peak > cutoff else "no")
        remark = before.get("remark") or ("answered before" if before else "")
        rows.append((abs(peak - cutoff), (name, wake, f"{peak:.3f}", remark)))
    with path.open("w", newline="", encoding="utf-8", errors="surrogateescape") as out:
        table = csv.writer(out)
        table.writerow(HEADER)
        table.writerows(row for _, row in sorted(rows))
    likely = sum(row[1] == "yes" for _, row in rows)
    log.info(f"{path}: {likely} clips likely right, {len(rows) - likely} likely wrong")
    return refused


def read(folder: Path) -> tuple[list[Path], list[Path]]:
    """(files with the phrase, files without it) of a corrected captured.csv. Raises UserError."""
    path = folder / FILE
    if not path.exists():
        raise UserError(
            f"{path} is missing: sort the clips with `trainer wakeword captured MODEL {folder}`, "
            "correct the column `wake`, and run this command again"
        )
    found: dict[bool, list[Path]] = {True: [], False: []}
    for number, row in enumerate(_rows(path), 2):
        file, answer = folder / row["file"], row["wake"].strip().lower()
        if answer not in ANSWERS:
            raise UserError(f"{path}:{number}: wake is '{row['wake']}'; write yes or no")
        if not file.is_file():
            raise UserError(f"{path}:{number}: {file} does not exist")
        found[ANSWERS[answer]].append(file)
    listed = {*found[True], *found[False]}
    if more := [p for p in files_of(folder) if p not in listed and p != path]:
        log.warning(
            f"{folder}: {len(more)} files are not in {FILE} and not used, such as {more[0].name}: "
            "sort them with `trainer wakeword captured`"
        )
    return found[True], found[False]


def _rows(path: Path) -> list[dict[str, str]]:
    # names may be bytes that are not UTF-8
    with path.open(newline="", encoding="utf-8-sig", errors="surrogateescape") as file:
        table = csv.DictReader(file, restval="")
        if missing := {"file", "wake"} - set(table.fieldnames or ()):
            raise UserError(f"{path}: no column {' and '.join(sorted(missing))}")
        return list(table)
