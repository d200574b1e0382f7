"""Other trackers: callbacks that send them what metrics.jsonl records. Extra `trackers`.

A run that goes on after a restart goes on there too; rounds that a killed run did twice are sent
twice, with equal figures.
"""

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from trainer.errors import UserError
from trainer.experiment.callbacks import Callback, Context
from trainer.experiment.folders import parameters_of
from trainer.serialization import serializable
from trainer.training.callbacks import Round, State


class Tracker(Callback):
    """Base: `package` is imported when training begins; `started` returns the run's id there."""

    package = ""

    def begin(self, context: Context) -> None:
        """Raises UserError where the package is missing."""
        super().begin(context)
        self.run_id = ""
        try:
            self.api: Any = import_module(self.package)
        except ModuleNotFoundError as error:
            raise UserError(
                f"{type(self).__name__}: the package {self.package} is not installed here: "
                "pip install 'voicekiln[trackers]'"
            ) from error

    def on_round_end(self, current: Round) -> None:
        self.run_id = self.run_id or self.started(current.folder)
        finite = {name: v for name, v in current.figures.items() if np.isfinite(v)}
        self.send(finite, current)

    def started(self, run: Path) -> str:
        """Begin a run there, with the parameters of `run`; its id."""
        raise NotImplementedError

    def send(self, figures: dict[str, float], current: Round) -> None:
        """Figures of a round."""
        raise NotImplementedError

    def state(self) -> State:
        return {"run_id": np.array(self.run_id)}

    def restore(self, state: State) -> None:
        self.run_id = str(state["run_id"])


@serializable
class MLflow(Tracker):
    """To the MLflow server at `uri` (default: MLFLOW_TRACKING_URI), in its experiment `project`."""

    project: str = "voicekiln"
    uri: str = ""
    package = "mlflow"

    def started(self, run: Path) -> str:
        client = self.api.MlflowClient(self.uri or None)
        known = client.get_experiment_by_name(self.project)
        where = known.experiment_id if known else client.create_experiment(self.project)
        run_id = str(client.create_run(where, run_name=run.name).info.run_id)
        for name, value in parameters_of(run).items():
            client.log_param(run_id, name.replace("[", ".").replace("]", ""), value[:5000])
        return run_id

    def send(self, figures: dict[str, float], current: Round) -> None:
        client = self.api.MlflowClient(self.uri or None)
        for name, value in figures.items():
            client.log_metric(self.run_id, name, value, step=current.step)
        if current.stop or current.step == current.steps:
            client.set_terminated(self.run_id)


@serializable
class Trackio(Tracker):
    """To Trackio's database on this machine, or to the Hugging Face `space`."""

    project: str = "voicekiln"
    space: str = ""
    package = "trackio"

    def begin(self, context: Context) -> None:
        super().begin(context)
        self.open: Any = None

    def started(self, run: Path) -> str:
        return run.name

    def send(self, figures: dict[str, float], current: Round) -> None:
        if self.open is None:
            self.open = self.api.init(
                self.project, self.run_id, config=parameters_of(current.folder), resume="allow",
                space_id=self.space or None, embed=False,
            )  # fmt: skip
        self.open.log(figures, current.step)
        if current.stop or current.step == current.steps:
            self.open.finish()
