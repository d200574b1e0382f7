"""What the steps take on disk: `trainer status` and `trainer clean`."""

import fcntl
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from trainer.errors import UserError
from trainer.log import minutes
from trainer.steps import IN_USE, read_record

KEY = re.compile(r"[0-9a-f]{16}(\.partial)?")


@dataclass(frozen=True)
class Found:
    """A step's folder on disk. `state`: finished, partial, or damaged (its record is lost)."""

    name: str
    key: str
    label: str
    bytes: int
    used: float  # time stamp
    state: str
    folder: Path


def list_steps(work: Path) -> list[Found]:
    """All steps under `work`, also those of version 0.1, which had no folders of products."""
    folders = (p for depth in ("*/*", "*/*/*") for p in work.glob(depth))
    found = []
    for folder in sorted(p for p in folders if p.is_dir() and KEY.fullmatch(p.name)):
        record = read_record(folder / "step.json")
        partial = folder.name.endswith(".partial")
        state = "partial" if partial else "finished" if record else "damaged"
        size = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
        used = max(p.stat().st_mtime for p in (folder, folder / "used") if p.exists())
        name, label = str(folder.parent.relative_to(work)), record.get("label", "")
        found.append(Found(name, folder.name, label, size, used, state, folder))
    return found


@contextmanager
def alone(work: Path) -> Iterator[None]:
    """Lock `work`, so that no run can use it. Raises UserError if one already does."""
    with (work / IN_USE).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(
                f"a run is using {work}: wait until it ends, or remove only old steps "
                "(--older-than-days 1)"
            ) from None
        yield


def status(data_dir: Path) -> Iterator[str]:
    """One line a step, and the total."""
    total = 0
    for step in list_steps(data_dir / "work"):
        total += step.bytes
        size, age = step.bytes / 1e6, minutes(time.time() - step.used)
        row = f"{step.name:32} {step.label or '-':20} {step.state:9} {size:9.1f} MB"
        yield f"{row}  used {age} ago  {step.key}"
    output = data_dir / "output"
    yield f"{total / 1e6:.1f} MB in total; `trainer clean` removes it and keeps {output}"


def clean(
    data_dir: Path, older_than_days: float, label: str | None, dry_run: bool
) -> Iterator[str]:
    """Remove steps; yields one line each and a total. Raises UserError while a run uses them."""
    work, freed = data_dir / "work", 0
    unlocked = dry_run or older_than_days >= 1 or not work.exists()
    with nullcontext() if unlocked else alone(work):
        for step in list_steps(work):
            old = time.time() - step.used >= older_than_days * 86400
            if old and label in (None, step.label):
                freed += step.bytes
                yield f"{'would remove' if dry_run else 'removed'} {step.folder}"
                if not dry_run:
                    shutil.rmtree(step.folder)
    yield f"{freed / 1e6:.1f} MB {'would be ' if dry_run else ''}freed"
