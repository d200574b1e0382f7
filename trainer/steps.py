"""Content-keyed, resumable steps.

A step's key is a hash of its name, version, parameters and its inputs' keys; its folder is `<work>/<name>/<key>`. It is
written as `<key>.partial` and renamed when finished, so finished = the folder exists. A step may find its own earlier work
in the partial folder and goes on from there. Two runs that need the same step: the second waits for the first.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

from trainer import __version__
from trainer.workers import minutes

log = logging.getLogger("trainer")
DISK_MARGIN_BYTES = 200 << 20
IN_USE = "in_use.lock"


class StepError(Exception):
    """A step that cannot run; one line that says why and what to do."""


class Steps:
    """Runs the steps of one product line under `work`, and remembers how long each took."""

    def __init__(self, work: Path, redo: tuple[str, ...] = (), label: str = "") -> None:
        """`label`: what this line is about (the phrase); shown when a step re-runs, and used to tell why."""
        self.work, self.redo, self.label = work, set(redo), label
        self.seconds: dict[str, float] = {}
        self.folders: list[Path] = []  # of this phrase alone
        self.all_folders: list[Path] = []
        self._redone: set[str] = set()
        self._anew: set[Path] = set()  # folders made again
        work.mkdir(parents=True, exist_ok=True)
        self._in_use = (work / IN_USE).open("w")  # as long as this line is there
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
        """The finished folder of a step; `function(folder)` fills it if it is not there.

        `params`: what changes the result (JSON values or dataclasses); `inputs`: folders of earlier steps.
        `shared`: belongs to no phrase, so cleaning up after one leaves it. Raises StepError.
        """
        told = {
            "name": name,
            "version": version,
            "params": _plain(params or {}),
            "inputs": {role: _key(path) for role, path in (inputs or {}).items()},
        }
        key = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]
        folder = self.work / name / key
        self.all_folders.append(folder)
        if not shared:
            self.folders.append(folder)
        folder.parent.mkdir(parents=True, exist_ok=True)
        with lock(folder.with_suffix(".lock"), name):
            asked = self.redo & {name, name.split("_", maxsplit=1)[0], "all"}
            self._redone |= asked
            if folder not in self._anew and (asked or self._anew & set((inputs or {}).values())):
                self._anew.add(folder)
                for old in (folder, folder.with_name(folder.name + ".partial")):
                    if old.exists():
                        shutil.rmtree(old)
                        log.info("%s: done again, %s", name, "as --redo asks" if asked else "after what it is made of")
            if folder.exists():
                (folder / "used").touch()
                self.seconds[name] = 0.0
                log.debug("%s: nothing to do", name)
                return folder
            self._explain(name, told, folder)
            self._make(name, function, folder, told)
        return folder

    @property
    def made(self) -> bool:
        """Whether any step had to be done."""
        return any(self.seconds.values())

    def tell_redo(self) -> None:
        """Warn of names to do again that no step had."""
        if unknown := sorted(self.redo - self._redone):
            log.warning("REDO: no step %s in this run; there were %s", ", ".join(unknown), ", ".join(self.seconds))

    def _make(self, name: str, function: Callable[[Path], None], folder: Path, told: dict[str, Any]) -> None:
        partial = folder.with_name(folder.name + ".partial")
        partial.mkdir(exist_ok=True)
        if shutil.disk_usage(partial).free < DISK_MARGIN_BYTES:
            raise StepError(f"{name}: less than 200 MB free under {self.work}; free some space or run `trainer clean`")
        start = time.monotonic()
        try:
            function(partial)
        except OSError as error:
            if error.errno == 28:
                raise StepError(
                    f"{name}: the disk of {self.work} is full; free some space (`trainer clean` frees old steps) and run "
                    "the same command again: what is finished is kept"
                ) from error
            raise
        self.seconds[name] = time.monotonic() - start
        record = told | {"label": self.label, "seconds": round(self.seconds[name], 1), "voicekiln": __version__}
        (partial / "step.json").write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n")
        partial.rename(folder)
        log.info("%s: done in %s", name, minutes(self.seconds[name]))

    def _explain(self, name: str, told: dict[str, Any], folder: Path) -> None:
        """Say why a step runs: goes on, is new, or what changed since the last time for this phrase."""
        if folder.with_name(folder.name + ".partial").exists():
            log.info("%s: going on where it stopped", name)
            return
        earlier = list(folder.parent.glob("*/step.json"))
        same = [(p.stat().st_mtime, r) for p in earlier if (r := _record(p)) and r.get("label") == self.label]
        if not same:
            log.info("%s: starting", name)
            return
        last = max(same, key=lambda pair: pair[0])[1]
        why = [f"{k} {json.dumps(last[part].get(k), ensure_ascii=False)} -> {json.dumps(v, ensure_ascii=False)}"
               for part in ("params", "inputs") for k, v in told[part].items() if last[part].get(k) != v]
        why += [f"version {last['version']} -> {told['version']}"] if last["version"] != told["version"] else []
        shown = ", ".join(w if len(w) < 90 else w[:87] + "..." for w in why[:4])
        log.info("%s: runs again, changed: %s", name, shown or "inputs")

    def clean(self) -> None:
        """Remove the folders of this line's own steps (not the shared ones)."""
        for folder in self.folders:
            shutil.rmtree(folder, ignore_errors=True)
            shutil.rmtree(folder.with_name(folder.name + ".partial"), ignore_errors=True)


def fingerprint(folder: Path) -> str:
    """Content hash of all files under a user's folder: their names and bytes."""
    total = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        total.update(f"{path.relative_to(folder)}\0{path.stat().st_size}\0".encode())
        with path.open("rb") as file:
            total.update(hashlib.file_digest(file, "sha256").digest())
    return total.hexdigest()[:16]


def _key(path: Path) -> str:
    """Key of an input: of the step that made it, or, for a store made otherwise, of its index."""
    if (path / "step.json").exists():
        return path.name
    return hashlib.sha256((path / "index.npy").read_bytes()).hexdigest()[:16]


def _record(path: Path) -> dict[str, Any]:
    """What a finished step tells of itself; nothing when it is not there, or was lost in a power cut."""
    try:
        return dict(json.loads(path.read_text()))
    except (FileNotFoundError, ValueError):
        return {}


@contextmanager
def alone(work: Path) -> Iterator[None]:
    """Hold `work` while no line uses it. Raises StepError when one does."""
    with (work / IN_USE).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StepError(f"a run is using {work}: wait for its end, or remove only what is old (--older-than-days 1)") from None
        yield


def list_steps(work: Path) -> list[dict[str, Any]]:
    """All steps under `work`: name, key, label, bytes, state (finished, partial, or damaged: its record cannot be read) and when it was last used."""
    found = []
    for folder in sorted(p for p in work.glob("*/*") if p.is_dir()):
        record = _record(folder / "step.json")
        used = max(p.stat().st_mtime for p in (folder, folder / "used") if p.exists())
        size = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
        state = "partial" if folder.name.endswith(".partial") else "finished" if record else "damaged"
        found.append({"name": folder.parent.name, "key": folder.name, "label": record.get("label", ""), "bytes": size, "used": used,
                      "state": state, "folder": folder})
    return found


@contextmanager
def lock(path: Path, name: str) -> Iterator[None]:
    """Hold an exclusive lock on `path`; waits, saying so, while another run holds it for the step `name`."""
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.info("%s: another run is making it; waiting for it", name)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _plain(value: Any) -> Any:
    """Parameters as JSON values, so that keys do not depend on types."""
    if is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(v) for v in (sorted(value) if isinstance(value, (set, frozenset)) else value)]
    return value
