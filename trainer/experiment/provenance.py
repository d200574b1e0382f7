"""What made a run: command, code, versions, machine, data; and putting it back."""

import shutil
import subprocess
import sys
from dataclasses import asdict
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from trainer import __version__
from trainer.data import manifest
from trainer.data.dataset import AudioDataset
from trainer.errors import UserError
from trainer.experiment.folders import DEFINITION, read_json
from trainer.log import log
from trainer.machine import machine, versions
from trainer.steps import write_record

CODE, DATA, REQUIREMENTS = "code", "data", "requirements.txt"
PACKAGE = Path(__file__).parents[1].resolve()  # ours is not the user's code
LARGEST_CODE = 1 << 20  # bytes of a file


def of_process(seed: int, main: Path | None) -> dict[str, Any]:
    """Of this process; `main`: the user's script."""
    return {
        "voicekiln": __version__,
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "script": main.name if main else "",
        "backend": _backend(),
        "seed": seed,
        "versions": versions(),
        "machine": asdict(machine()),
    }


def _backend() -> str:
    import keras

    return str(keras.backend.backend())


def script() -> Path | None:
    """The user's Python file that runs; None for our command line."""
    path = Path(getattr(sys.modules.get("__main__"), "__file__", "") or "")
    if path.suffix != ".py" or path.resolve().is_relative_to(PACKAGE):
        return None
    return path.resolve()


def save_code(folder: Path, main: Path | None) -> None:
    """The user's script and the modules that it imported from beside it, git's commit and
    difference, and the versions of all packages."""
    place = folder / CODE
    place.mkdir(exist_ok=True)
    (place / REQUIREMENTS).write_text(_packages(), encoding="utf-8")
    if main is None:
        return
    home = main.parent
    for path in sorted({main, *_modules_below(home)}):
        target = place / path.relative_to(home)
        target.parent.mkdir(parents=True, exist_ok=True)
        if path.stat().st_size <= LARGEST_CODE:
            shutil.copyfile(path, target)
        else:
            log.warning("%s: larger than 1 MB, not copied into the run", path)
    commit = _git(home, "rev-parse", "HEAD")
    if commit:
        (place / "git_commit.txt").write_text(commit, encoding="utf-8")
        (place / "git_diff.patch").write_text(_git(home, "diff", "HEAD"), encoding="utf-8")


def _modules_below(home: Path) -> set[Path]:
    found = set()
    for module in list(sys.modules.values()):
        name = getattr(module, "__file__", None)
        if not name or not name.endswith(".py"):
            continue
        path = Path(name).resolve()
        installed = {"site-packages", "dist-packages"} & set(path.parts)
        if path.is_relative_to(home) and not installed and not path.is_relative_to(PACKAGE):
            found.add(path)
    return found


def _git(home: Path, *arguments: str) -> str:
    git = shutil.which("git")
    if git is None:
        return ""
    done = subprocess.run(
        [git, "-C", home, *arguments], capture_output=True, text=True, errors="replace", check=False
    )
    return done.stdout if done.returncode == 0 else ""


def _packages() -> str:
    names = {(one.metadata["Name"] or "").lower(): one.version for one in distributions()}
    return "".join(f"{name}=={version}\n" for name, version in sorted(names.items()) if name)


def save_data(folder: Path, sets: dict[str, AudioDataset]) -> dict[str, Any]:
    """Manifests with whole paths and the SHA-256 of each file, in data/; returns what to record."""
    place = folder / DATA
    place.mkdir(exist_ok=True)
    found = {}
    for name, dataset in sets.items():
        manifest.write(place / f"{name}.csv", dataset.rows)
        shutil.copyfile(dataset.files, place / f"{name}.json")
        seconds = float(dataset.seconds_of_clips.sum())
        found[name] = {
            "path": str(dataset.path),
            "sha256": manifest.sha256(dataset.path),
            "clips": len(dataset),
            "rejected": len(dataset.rejected),
            "hours": round(seconds / 3600, 3),
        }
    return found


def files_of(folder: Path, name: str) -> dict[str, str]:
    """Path -> SHA-256 of the files that a run began with. Raises UserError."""
    return read_json(folder / DATA / f"{name}.json")


def use_code(place: Path) -> None:
    """Make the modules of a folder importable."""
    if str(place) not in sys.path:
        sys.path.insert(0, str(place))


def put_back(run: Path, target: Path, record: dict[str, Any]) -> list[str]:
    """Code, environment and manifests into `target`; returns lines that say how to repeat the run.

    Raises UserError where something is there already.
    """
    if target.exists() and any(target.iterdir()):
        raise UserError(f"{target}: is not empty; give another folder")
    target.mkdir(parents=True, exist_ok=True)
    shutil.copytree(run / CODE, target, dirs_exist_ok=True)
    shutil.copytree(run / DATA, target / DATA)
    definition = _with_data_of(read_json(run / DEFINITION), target / DATA)
    write_record(target / DEFINITION, definition)
    given = f"--definition {DEFINITION} --random-seed {record['seed']} --name {record['name']}"
    if record.get("script"):
        given += f" --script {record['script']}"
    command = f"python -m trainer experiment run {given}"
    repeat = target / "repeat.sh"
    repeat.write_text(
        f'#!/bin/sh\ncd "$(dirname "$0")"\nKERAS_BACKEND={record["backend"]} exec {command}\n',
        encoding="utf-8",
    )
    return [
        f"{target}: code, {DATA}/ and {REQUIREMENTS} of {run.name}",
        f"versions: pip install -r {target / REQUIREMENTS} (here: "
        f"{_differences(target / REQUIREMENTS) or 'all the same'})",
        f"repeat: sh {repeat}",
    ]


def _with_data_of(definition: dict[str, Any], place: Path) -> dict[str, Any]:
    """A definition whose data sets are the tables of a run."""
    fields = definition["fields"]
    for part, name in (("train", "data"), ("validation", "validation")):
        if fields[name] is not None:
            dataset = fields[name]["fields"]["dataset"]["fields"]
            dataset |= {"path": {"path": str(place / f"{part}.csv")}, "split": ""}
    return definition


def _differences(requirements: Path) -> str:
    here = set(_packages().splitlines())
    then = set(requirements.read_text(encoding="utf-8").splitlines())
    return ", ".join(sorted(then - here)[:5])
