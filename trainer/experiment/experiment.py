"""A run of a trainer in a folder that holds all that made it, and that can go on at any time."""

import fcntl
import json
import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from trainer import serialization
from trainer.data.dataset import AudioDataset, check_unchanged
from trainer.errors import Stopped, UserError
from trainer.experiment import evaluation, provenance
from trainer.experiment.folders import (
    DEFINITION,
    FAILED,
    FINISHED,
    FORMAT,
    RECORD,
    RUNNING,
    STOPPED,
    default_folder,
    read_json,
    read_record,
    runs,
)
from trainer.experiment.trainer import Trainer
from trainer.log import log, start_log
from trainer.models.speech.base import GREEDY, Decoding
from trainer.serialization import Deserializer
from trainer.steps import new_folder, write_record

LOCK = "in_use.lock"
STOPPED_CODE = 143


class Experiment:
    """Runs with one name. `script`: the user's file, whose code is kept (default: the one that
    runs). `folder`: where their folders are made (default: /data/output, or
    `experiments` in the current one)."""

    def __init__(
        self, name: str, seed: int = 0, folder: Path | str | None = None, script: Path | None = None
    ) -> None:
        if not name or set(name) & set('/\\:*?"<>|') or name.startswith("."):
            raise UserError(
                f"experiment '{name}': the name becomes a folder: use letters, digits and -"
            )
        self.name, self.seed = name, seed
        self.folder = Path(folder) if folder else default_folder()
        self.script = script or provenance.script()
        self.trainer: Trainer | None = None
        self.last: Path | None = None  # folder of the last run

    def run(self, trainer: Trainer | None = None, changed_data: bool = False) -> Path:
        """Train to the end; returns the run's folder. Raises Stopped and UserError.

        A run of the same name, seed and definition that was stopped goes on, bit by bit.
        """
        if serialization.Reading.script:  # a class of this script is being looked up
            raise serialization.ScriptRead
        self.trainer = trainer or self.trainer
        if self.trainer is None:
            raise UserError("experiment.run needs a trainer the first time")
        definition = serialization.write(self.trainer)
        run = self._find(definition, finished=False)
        if run is None:
            run = new_folder(self.folder, self.name)
            run.mkdir(parents=True)
            write_record(run / RECORD, self._record())
            write_record(run / DEFINITION, definition)  # last: now it is a run
        try:
            self.last = carry_on(run, self.trainer, self.script, changed_data)
            return self.last
        except Stopped as stop:
            if provenance.script() is None:
                raise
            log.info("%s", stop)  # a script ends with one line, not with a traceback
            raise SystemExit(STOPPED_CODE) from None

    def finished(self, trainer: Trainer) -> Path | None:
        """The folder of a finished run of this name, seed and definition."""
        found = self._find(serialization.write(trainer), finished=True)
        self.last = found or self.last
        return found

    def evaluate(
        self, table: Path | str, beam: int = 1, scorer: Path | None = None, split: str = ""
    ) -> dict[str, Any]:
        """Figures of the last run on a table of clips, also on its page. Raises UserError."""
        from trainer.experiment import pipeline

        decoding = Decoding(beam, scorer)
        path = pipeline.evaluate(self._last, self.folder, Path(table), decoding, split, {})
        return self.figures()[path.stem]

    def export(self, target: Path | None = None) -> Path:
        """The last run's network for sherpa-onnx, proved there. Raises UserError."""
        from trainer.experiment import pipeline

        return pipeline.export(self._last, self.folder, target, {})

    def figures(self) -> dict[str, dict[str, Any]]:
        """Of all evaluations of the last run, by their names."""
        return evaluation.figures_of(Path(self._last))

    @property
    def _last(self) -> str:
        if self.last is None:
            raise UserError(f"experiment '{self.name}' was not run yet")
        return str(self.last)

    def _record(self) -> dict[str, Any]:
        """What is known before any clip is read."""
        return {
            "format": FORMAT,
            "name": self.name,
            "status": RUNNING,
            "started": _now(),
            **provenance.of_process(self.seed, self.script),
            "sessions": 0,
            "seconds": 0.0,
        }

    def _find(self, definition: Any, finished: bool) -> Path | None:
        plain = json.loads(json.dumps(definition))
        for run in reversed(runs(self.folder)):
            try:
                record = read_record(run)
            except UserError as error:
                log.warning("skipped: %s", error)
                continue
            same = (record["name"], record["seed"]) == (self.name, self.seed)
            ended = record["status"] == FINISHED
            if same and ended == finished and read_json(run / DEFINITION) == plain:
                return run
        return None


def carry_on(
    run: Path, trainer: Trainer, script: Path | None = None, changed_data: bool = False
) -> Path:
    """Train in the folder of a run, from where it is. Raises Stopped and UserError."""
    with _alone(run):
        start_log(str(run / "training.log"))
        sets, record = datasets(trainer), read_record(run)
        if "data" in record:
            if not changed_data:
                for part, dataset in sets.items():
                    check_unchanged(part, provenance.files_of(run, part), dataset)
            log.info("%s goes on", run)
            write_record(run / DEFINITION, serialization.write(trainer))
        else:
            log.info("%s: a new run", run)
            provenance.save_code(run, script)
            record["data"] = provenance.save_data(run, sets)
        record |= {"status": RUNNING, "sessions": record["sessions"] + 1, "epochs": trainer.epochs}
        _training(run, trainer, record)
        return run


def _training(run: Path, trainer: Trainer, record: dict[str, Any]) -> None:
    """Train, and keep the record true whatever happens."""
    write_record(run / RECORD, record)
    began, before = time.monotonic(), record["seconds"]

    def ended(status: str, **more: Any) -> None:
        record.update(status=status, seconds=round(before + time.monotonic() - began, 1), **more)
        write_record(run / RECORD, record)

    try:
        network = trainer.train(run, int(record["seed"]))
        if trainer.validation is not None:
            found = evaluation.evaluate(trainer, network, trainer.validation, "validation", GREEDY)
            evaluation.write(run, found)
    except Stopped:
        ended(STOPPED)
        raise
    except BaseException as error:
        ended(FAILED, error=f"{type(error).__name__}: {error}")
        raise
    lines = (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    parameters = sum(math.prod(weight.shape) for weight in network.trainable_weights)
    last = json.loads(lines[-1]) if lines else {}
    ended(FINISHED, finished=_now(), parameters=parameters, last=last, error="")
    log.info("%s: finished in %d s", run, record["seconds"])


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


@contextmanager
def _alone(run: Path) -> Iterator[None]:
    """Raises UserError while another process trains in this folder."""
    with (run / LOCK).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UserError(f"{run}: another process is continuing this run") from error
        yield


def load(
    run: Path, moved: Mapping[str, str] | None = None, roots: Mapping[str, str] | None = None
) -> Trainer:
    """The trainer of a run, with its own code. `roots`: where folders with data are now.

    Raises UserError.
    """
    name = read_record(run)["script"]
    script = run / provenance.CODE / name if name else None
    return trainer_in(run / DEFINITION, script, moved, roots)


def trainer_in(
    path: Path,
    script: Path | None,
    moved: Mapping[str, str] | None = None,
    roots: Mapping[str, str] | None = None,
) -> Trainer:
    """The trainer that a definition.json describes. `script`: the file with the user's classes, in
    the folder of the modules that it imports. Raises UserError."""
    if script is not None:
        provenance.use_code(script.parent)
    text = json.dumps(read_json(path))
    for old, new in (roots or {}).items():
        text = text.replace(json.dumps(old)[1:-1], json.dumps(new)[1:-1])
    found = Deserializer(moved, script).read(json.loads(text))
    if not isinstance(found, Trainer):
        raise UserError(f"{path}: holds no trainer")
    return found


def continue_run(
    run: Path,
    epochs: int | None = None,
    moved: Mapping[str, str] | None = None,
    roots: Mapping[str, str] | None = None,
    changed_data: bool = False,
) -> Path:
    """Go on with all parameters of a run; with more epochs, also with a finished one."""
    trainer, record = load(run, moved, roots), read_record(run)
    if epochs is not None and epochs != trainer.epochs:
        if epochs < trainer.epochs:
            raise UserError(f"{run.name}: has {trainer.epochs} epochs already; give more")
        if trainer.optimizer.schedule == "cosine":
            log.warning(
                "the cosine schedule is stretched to %d epochs: not equal to a run that began so",
                epochs,
            )
        trainer.epochs = epochs
    elif record["status"] == FINISHED:
        raise UserError(f"{run.name}: finished; --epochs with more than {trainer.epochs} goes on")
    return carry_on(run, trainer, changed_data=changed_data)


def datasets(trainer: Trainer) -> dict[str, AudioDataset]:
    """Data sets by their role."""
    found = {"train": trainer.data.dataset}
    if trainer.validation is not None:
        found["validation"] = trainer.validation.dataset
    return found
