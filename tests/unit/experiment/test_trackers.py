"""What trackers record, read with their own libraries."""

import json
import sys

import mlflow
import pytest
from trackio.sqlite_storage import SQLiteStorage

from trainer import Experiment, Optimizer, Trainer, models, trackers
from trainer.errors import UserError
from trainer.experiment.experiment import continue_run


@pytest.fixture
def trainer(loaders, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setattr("trackio.sqlite_storage.TRACKIO_DIR", tmp_path / "trackio")
    train, dev = loaders
    network = models.deepspeech2(train.dataset.labels, 20, channels=2, units=4, layers=1)
    used = [trackers.MLflow("tests", f"file://{tmp_path}/mlflow"), trackers.Trackio("tests")]
    constant = Optimizer(schedule="constant", average=False)
    return Trainer(network, train, dev, callbacks=used, epochs=2, optimizer=constant)


def test_figures_and_parameters_of_a_run_that_goes_on(trainer, tmp_path):
    run = Experiment("tracked").run(trainer)
    continue_run(run, epochs=3)
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    losses = [row["val_loss"] for row in rows]
    assert len(losses) == 3
    client = mlflow.MlflowClient(f"file://{tmp_path}/mlflow")
    (one,) = client.search_runs([client.get_experiment_by_name("tests").experiment_id])
    assert one.info.run_name == run.name
    assert one.info.status == "FINISHED"
    assert one.data.params["model.units"] == "4"
    history = client.get_metric_history(one.info.run_id, "val_loss")
    assert [point.value for point in history] == losses
    assert [point.step for point in history] == [row["step"] for row in rows]
    found = SQLiteStorage.get_logs("tests", run.name)
    assert [row["val_loss"] for row in found] == losses


def test_without_the_package(trainer, monkeypatch):
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(UserError, match="the package mlflow is not installed here"):
        Experiment("untracked").run(trainer)
