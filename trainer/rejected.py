"""Rejected input: one record and one CSV (path, reason, detail) for all products."""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

from trainer.log import log

FILE = "rejected.csv"
HEADER = ("path", "reason", "detail")


@dataclass(frozen=True)
class Rejected:
    """A file or clip that is not used, and why. `detail`: what else tells it apart."""

    path: str
    reason: str
    detail: str = ""

    @property
    def kind(self) -> str:
        """What similar reasons have in common: the text before a colon or bracket."""
        return self.reason.split(":", maxsplit=1)[0].split("(", maxsplit=1)[0].strip()


def write(path: Path, rejected: Iterable[Rejected]) -> None:
    """The CSV, with a header."""
    with path.open("w", newline="", encoding="utf-8", errors="backslashreplace") as out:
        table = csv.writer(out)
        table.writerow(HEADER)
        table.writerows(astuple(one) for one in rejected)


def read(path: Path) -> list[Rejected]:
    """What `write` wrote."""
    with path.open(newline="", encoding="utf-8") as file:
        return [Rejected(**row) for row in csv.DictReader(file)]


def by_kind(rejected: Iterable[Rejected]) -> dict[str, list[Rejected]]:
    """Grouped by kind, the most frequent first."""
    found: dict[str, list[Rejected]] = {}
    for one in rejected:
        found.setdefault(one.kind, []).append(one)
    return dict(sorted(found.items(), key=lambda pair: -len(pair[1])))


def report(rejected: Sequence[Rejected], total: int, what: str, path: Path) -> None:
    """Log counts by kind with an example each, and where the whole list is."""
    for kind, some in by_kind(rejected).items():
        first = some[0]
        more = "" if first.reason == kind else f" ({first.reason})"
        detail = f" '{first.detail[:60]}'" if first.detail else ""
        name = Path(first.path).name
        log.warning(
            "%s: %d rejected: %s, such as %s%s%s", what, len(some), kind, name, detail, more
        )
    if rejected:
        log.warning("%s: %d of %d rejected in total, see %s", what, len(rejected), total, path)
