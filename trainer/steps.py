"""Content-keyed, resumable steps.

A step's key is a hash of its name, version, parameters and its inputs' keys; its folder is
`<work>/<product>/<name>/<key>`. It is written as `<key>.partial` and renamed when finished, so
finished = the folder exists. A step may find its own earlier work in the partial folder and goes
on from there. When two runs need the same step, the second waits for the first.
"""

import errno
import fcntl
import hashlib
import itertools
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from trainer import __version__
from trainer.errors import UserError
from trainer.log import log, minutes

DISK_MARGIN_BYTES = 200 << 20
IN_USE = "in_use.lock"
Record = dict[str, Any]  # JSON


class Steps:
    """Runs the steps of one product's line, and remembers how long each took."""

    def __init__(
        self, work: Path, product: str, redo: tuple[str, ...] = (), label: str = ""
    ) -> None:
        """`label`: what this line makes (the phrase); shown when a step runs again."""
        self.work, self.folder, self.redo, self.label = work, work / product, set(redo), label
        self.seconds: dict[str, float] = {}
        self.own_folders: list[Path] = []  # of this label alone
        self.all_folders: list[Path] = []
        self._redone: set[str] = set()
        self._remade: set[Path] = set()
        self.folder.mkdir(parents=True, exist_ok=True)
        self._in_use = (work / IN_USE).open("w")  # held as long as this object lives
        fcntl.flock(self._in_use, fcntl.LOCK_SH)

    def run(
        self,
        name: str,
        function: Callable[[Path], None],
        params: Mapping[str, Any] | None = None,
        inputs: Mapping[str, Path] | None = None,
        version: int = 1,
        shared: bool = False,
    ) -> Path:
        """The finished folder of a step; `function(folder)` fills it if it does not exist.

        `params`: what changes the result (JSON values, paths or dataclasses); `inputs`: folders of
        earlier steps; `shared`: used by all labels, so that `clean` leaves it. Raises UserError.
        """
        record: Record = {
            "name": name,
            "version": version,
            "params": _plain(params or {}),
            "inputs": {role: _key(path) for role, path in (inputs or {}).items()},
        }
        key = hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()[:16]
        folder = self.folder / name / key
        self.all_folders.append(folder)
        if not shared:
            self.own_folders.append(folder)
        folder.parent.mkdir(parents=True, exist_ok=True)
        with lock(folder.with_suffix(".lock"), name):
            asked = self.redo & {name, name.split("_", maxsplit=1)[0], "all"}
            self._redone |= asked
            after_redone = self._remade & set((inputs or {}).values())
            if folder not in self._remade and (asked or after_redone):
                self._remade.add(folder)
                for old in (folder, _partial(folder)):
                    if old.exists():
                        shutil.rmtree(old)
                        why = "as --redo asks" if asked else "because its input was made again"
                        log.info("%s: runs again, %s", name, why)
            if folder.exists():
                (folder / "used").touch()
                self.seconds[name] = 0.0
                log.debug("%s: up to date", name)
                return folder
            self._explain(name, record, folder)
            self._make(name, function, folder, record)
        return folder

    @property
    def made(self) -> bool:
        """Whether any step had to run."""
        return any(self.seconds.values())

    def warn_of_unknown_redo(self) -> None:
        """Warn of names in REDO that no step has."""
        if unknown := sorted(self.redo - self._redone):
            names = ", ".join(self.seconds)
            log.warning("REDO: this run has no step %s; its steps: %s", ", ".join(unknown), names)

    def _make(
        self, name: str, function: Callable[[Path], None], folder: Path, record: Record
    ) -> None:
        partial = _partial(folder)
        partial.mkdir(exist_ok=True)
        if shutil.disk_usage(partial).free < DISK_MARGIN_BYTES:
            raise UserError(
                f"{name}: less than 200 MB free under {self.work}; free some space or run "
                "`trainer clean`"
            )
        start = time.monotonic()
        try:
            function(partial)
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise UserError(
                    f"{name}: the disk of {self.work} is full; free some space (`trainer clean` "
                    "removes old steps) and run the same command again: finished work is kept"
                ) from error
            raise
        self.seconds[name] = time.monotonic() - start
        seconds = round(self.seconds[name], 1)
        record = record | {"label": self.label, "seconds": seconds, "voicekiln": __version__}
        write_record(partial / "step.json", record)
        partial.rename(folder)
        log.info("%s: done in %s", name, minutes(self.seconds[name]))

    def _explain(self, name: str, record: Record, folder: Path) -> None:
        """Log why a step runs: it was interrupted, is new, or something changed."""
        if _partial(folder).exists():
            log.info("%s: resuming", name)
            return
        records = ((p.stat().st_mtime, read_record(p)) for p in folder.parent.glob("*/step.json"))
        same = [(when, old) for when, old in records if old.get("label") == self.label]
        if not same:
            log.info("%s: starting", name)
            return
        last = max(same, key=lambda pair: pair[0])[1]
        changes = [
            f"{key} {json.dumps(last[part].get(key), ensure_ascii=False)} -> "
            f"{json.dumps(value, ensure_ascii=False)}"
            for part in ("params", "inputs")
            for key, value in record[part].items()
            if last[part].get(key) != value
        ]
        if last["version"] != record["version"]:
            changes.append(f"version {last['version']} -> {record['version']}")
        shown = ", ".join(c if len(c) < 90 else c[:87] + "..." for c in changes[:4])
        log.info("%s: runs again, changed: %s", name, shown or "inputs")

    def clean(self) -> None:
        """Remove the folders of this line's own steps (not the shared ones)."""
        for folder in self.own_folders:
            shutil.rmtree(folder, ignore_errors=True)
            shutil.rmtree(_partial(folder), ignore_errors=True)


def _partial(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.partial")


def fingerprint(place: Path | Sequence[Path]) -> str:
    """Content hash of files, or of all files under a folder: their paths below the folder that
    they share, and their bytes."""
    total = hashlib.sha256()
    found = (p for p in place.rglob("*") if p.is_file()) if isinstance(place, Path) else place
    files = sorted(p.absolute() for p in found)
    home = os.path.commonpath([p.parent for p in files]) if files else ""
    for path in files:
        total.update(os.fsencode(path.relative_to(home)))  # names are bytes, in any encoding
        total.update(f"\0{path.stat().st_size}\0".encode())
        with path.open("rb") as file:
            total.update(hashlib.file_digest(file, "sha256").digest())
    return total.hexdigest()[:16]


def _key(path: Path) -> str:
    """Key of an input: of the step that made it, or, for a store made otherwise, of its index."""
    if (path / "step.json").exists():
        return path.name
    return hashlib.sha256((path / "index.npy").read_bytes()).hexdigest()[:16]


def new_folder(parent: Path, name: str) -> Path:
    """`<parent>/<time>-<name>`, with a number if that is there already; not made yet."""
    stem = f"{datetime.now():%Y-%m-%d-%H-%M-%S}-{name}".replace("/", "-")
    names = (stem if n == 1 else f"{stem}-{n}" for n in itertools.count(1))
    return next(f for name in names if not (f := parent / name).exists())


def read_record(path: Path) -> Record:
    """The record of a finished step; empty when it is missing or was lost in a power cut."""
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError):
        return {}


def write_record(path: Path, record: Record) -> None:
    """As indented JSON; bytes of file names that are not UTF-8 as \\udc80 to \\udcff."""
    write_whole(path, json.dumps(record, indent=1, ensure_ascii=False) + "\n")


def write_whole(path: Path, text: str) -> None:
    """A text file that is the old one or the new one, whenever this is killed."""
    unfinished = path.with_name(f"{path.name}.partial")
    unfinished.write_text(text, encoding="utf-8", errors="backslashreplace")
    unfinished.replace(path)


@contextmanager
def lock(path: Path, name: str) -> Iterator[None]:
    """Hold an exclusive lock on `path`; waits, and logs it, while another run makes `name`."""
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.info("%s: waiting for another run that is making it", name)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _plain(value: Any) -> Any:
    """Parameters as JSON values, so that keys do not depend on types."""
    if is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        ordered = sorted(value) if isinstance(value, (set, frozenset)) else value
        return [_plain(v) for v in ordered]
    return str(value) if isinstance(value, Path) else value
