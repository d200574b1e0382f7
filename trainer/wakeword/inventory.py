"""What became of the user's recordings: recordings.csv, rejected.csv, and lines of the log."""

import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trainer import rejected
from trainer.log import log
from trainer.store import Clips
from trainer.wakeword.recordings import quality_of
from trainer.workers import Workers

FILE = "recordings.csv"
HEADER = ("path", "phrases", "seconds", "level_db", "clipped", "offset", "hum_db", "remarks")


def write_qualities(files: Sequence[Path], workers: Workers, folder: Path) -> None:
    """recordings.csv: a row a usable file."""
    judged = workers.run(quality_of, files, "judging recordings")
    with (folder / FILE).open("w", newline="", encoding="utf-8", errors="backslashreplace") as out:
        table = csv.writer(out)
        table.writerow(HEADER)
        for path, found in zip(files, judged, strict=True):
            if found:
                q, phrases = found
                values = f"{q.seconds:.2f} {q.level_db:.1f} {q.clipped:.4f} {q.offset:.4f}".split()
                remarks = "; ".join(q.remarks())
                table.writerow((path, phrases, *values, f"{q.hum_db:.1f}", remarks))


def qualities(folder: Path) -> list[dict[str, str]]:
    """The rows of recordings.csv."""
    with (folder / FILE).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def report_qualities(folder: Path) -> None:
    """Log what is wrong with recordings that are used, with counts and an example each."""
    rows = qualities(folder)
    remarks = [(r["path"], one) for r in rows for one in r["remarks"].split("; ") if one]
    kinds = Counter(remark.split(" (")[0] for _, remark in remarks)
    for kind, count in kinds.most_common():
        path, example = next(found for found in remarks if found[1].startswith(kind))
        log.warning(
            f"personal recordings: {count} of {len(rows)} with remark: {kind}, such as "
            f"{Path(path).name}: {example}"
        )
    if remarks:
        log.warning(f"personal recordings: all remarks are in {folder / FILE}")


def summary(own: Mapping[str, Path]) -> dict[str, Any]:
    """For the record and the report: by kind, files used and rejected, clips, seconds."""
    found = {}
    for kind, folder in own.items():
        clips = Clips(folder)
        found[kind] = {
            "files": len(set(clips.index["group"].tolist())),
            "clips": len(clips),
            "seconds": round(clips.seconds, 1),
            "rejected": [vars(one) for one in rejected.read(folder / rejected.FILE)],
            "judged": qualities(folder) if kind == "personal" else [],
        }
    return found


def write_rejected(own: Mapping[str, Path], path: Path) -> None:
    """One rejected.csv for all kinds of recordings."""
    rejected.write(
        path, [r for folder in own.values() for r in rejected.read(folder / rejected.FILE)]
    )
