"""Folders of runs: where they are, and what their records say."""

import json
from pathlib import Path
from typing import Any

from trainer.errors import UserError
from trainer.machine import data_folder

RECORD, DEFINITION, WEIGHTS = "experiment.json", "definition.json", "weights.npz"
FORMAT = 1  # of the folder
RUNNING, STOPPED, FAILED, FINISHED = "running", "stopped", "failed", "finished"


def default_folder() -> Path:
    """/data/output, or `experiments` here where there is no data folder."""
    data = data_folder()
    return data / "output" if data.is_dir() else Path("experiments").absolute()


def runs(folder: Path) -> list[Path]:
    """Folders of runs, the oldest first."""
    return sorted(
        path.parent for path in folder.glob(f"*/{DEFINITION}") if path.parent.name[0] != "."
    )


def find(name: str, folder: Path) -> Path:
    """A run by its folder, by its whole name, or by a part of it, where only one has that. Raises
    UserError."""
    if (Path(name) / DEFINITION).is_file():
        return Path(name).absolute()
    found = [run for run in runs(folder) if name in run.name]
    whole = [run for run in found if run.name[len("2026-01-31-23-59-59-") :] == name]
    for some in (whole, found):
        if len(some) == 1:
            return some[0]
    if not found:
        raise UserError(f"no run '{name}' in {folder}; `trainer experiment list` shows all")
    raise UserError(f"'{name}' may be {', '.join(run.name for run in found[:5])}: give more of it")


def read_record(run: Path) -> dict[str, Any]:
    """experiment.json of a run. Raises UserError."""
    record = read_json(run / RECORD)
    if int(record.get("format", FORMAT)) > FORMAT:
        raise UserError(
            f"{run}: made by Voicekiln {record.get('voicekiln')}, whose runs this version cannot "
            "read: install that one"
        )
    return record


def read_json(path: Path) -> dict[str, Any]:
    """A JSON file of a run. Raises UserError."""
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise UserError(f"{path}: missing: the folder of the run is not whole") from error
    except ValueError as error:
        raise UserError(f"{path}: damaged ({error}): copy the folder of the run again") from error


def weights_of(run: Path) -> Path:
    """The result of a run. Raises UserError while there is none."""
    for path in (run / WEIGHTS, run / "checkpoints" / "best.npz"):
        if path.exists():
            return path
    raise UserError(f"{run.name}: has no weights yet")


def parameters_of(run: Path) -> dict[str, str]:
    """The definition of a run as name -> value. Raises UserError."""
    found: dict[str, str] = {}

    def walk(data: Any, where: str) -> None:
        if isinstance(data, dict) and "fields" in data:
            kind = str(data.get("class") or data.get("keras"))
            found[where or "class"] = kind.rsplit(":", maxsplit=1)[-1]
            walk(data["fields"], where)
        elif isinstance(data, dict):
            inside = data.get("mapping", data)
            if set(data) == {"path"}:
                found[where] = str(data["path"])
            else:
                for name, value in inside.items():
                    walk(value, f"{where}.{name}".lstrip("."))
        elif isinstance(data, list) and any(isinstance(one, dict) for one in data):
            for i, value in enumerate(data):
                walk(value, f"{where}[{i}]")
        else:
            plain = data if isinstance(data, str) else json.dumps(data)
            found[where] = "".join(data) if where.endswith("labels") and data else plain

    walk(read_json(run / DEFINITION), "")
    return found
