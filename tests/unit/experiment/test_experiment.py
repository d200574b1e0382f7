"""What goes wrong in experiments: networks that do not fit, metrics, files, two processes."""

import fcntl
import json
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
import soundfile

from trainer import Experiment, Optimizer, Trainer, callbacks, data, metrics, models, serializable
from trainer.errors import UserError
from trainer.experiment import evaluation, experiment, pipeline
from trainer.experiment.experiment import LOCK, carry_on, continue_run, load
from trainer.experiment.folders import find, read_record, weights_of
from trainer.experiment.settings import ExperimentSettings
from trainer.metrics.bootstrap import paired
from trainer.models.speech.ctc import CtcModel
from trainer.settings import load as settings_of
from trainer.steps import new_folder


@serializable
class Dense(CtcModel):
    """One layer; `extra` outputs too many, `loss_shape` for a loss that is none a clip."""

    labels: tuple[str, ...]
    bands: int = 20
    extra: int = 0
    halved: bool = False
    sums: bool = False

    def network(self):
        features, frames = self.given()
        x = features[:, ::2] if self.halved else features
        x = keras.layers.Dense(len(self.labels) + 1 + self.extra)(x)
        return keras.Model([features, frames], x)

    def loss(self, targets, outputs):
        found = super().loss(targets, outputs)
        return keras.ops.sum(found) if self.sums else found


@serializable
class NotANumber(metrics.Metric):
    name = "nothing"

    def __call__(self, references, hypotheses):
        return float("nan")


@serializable
class Falls(metrics.Metric):
    """Is highest after the first round."""

    name = "falls"
    higher_is_better = True

    def __post_init__(self):
        self.value = 1.0

    def __call__(self, references, hypotheses):
        self.value /= 2
        return self.value


def trainer_of(loaders, model=None, **more):
    train, dev = loaders
    more = {"epochs": 2, "optimizer": Optimizer(schedule="constant", average=False), **more}
    return Trainer(model or Dense(train.dataset.labels), train, dev, **more)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"extra": 1}, r"outputs of shape \(1, \d+, 5\) instead of \(1, \d+, 4\)"),
        ({"halved": True}, r"outputs of shape .* output_frames\(frames\), labels and one blank"),
        ({"sums": True}, r"Dense\.loss returns \(\) instead of one number a clip"),
    ],
)
def test_a_network_that_does_not_fit_is_told_before_training(loaders, given, message):
    trainer = trainer_of(loaders, Dense(loaders[0].dataset.labels, **given))
    with pytest.raises(UserError, match=message):
        Experiment("wrong").run(trainer)


def test_bands_and_labels_must_agree(loaders):
    with pytest.raises(UserError, match="give the model bands=20"):
        trainer_of(loaders, Dense(loaders[0].dataset.labels, 40))
    with pytest.raises(UserError, match="labels that the model does not have: b"):
        trainer_of(loaders, Dense((" ", "a")))


def test_a_metric_that_is_not_a_number_is_left_out(loaders):
    run = Experiment("nan").run(trainer_of(loaders, metrics=[NotANumber()]))
    assert "metric nothing is nan after step" in (run / "training.log").read_text()
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert all("val_nothing" not in row for row in rows)
    assert read_record(run)["status"] == "finished"


def test_clips_too_short_for_their_transcripts_do_not_count(loaders, tmp_path, rng):
    """On both libraries: they have no loss."""
    soundfile.write(tmp_path / "short.wav", 0.2 * rng.normal(size=2000), 16_000)
    with (tmp_path / "clips.csv").open("a") as table:
        table.write(f"\nshort.wav,{'ab' * 40},train\nshort.wav,{'ba' * 40},dev")
    train, dev = (
        data.AudioDataset("clips.csv", loaders[0].dataset.processor, split).loader(4.0)
        for split in ("train", "dev")
    )
    run = Experiment("short").run(trainer_of((train, dev), models.deepspeech2(
        train.dataset.labels, 20, channels=2, units=4, layers=1)))  # fmt: skip
    text = (run / "training.log").read_text()
    assert "clips.csv: 1 of 10 clips are too short for their transcripts" in text
    assert "such as short.wav 'abab" in text
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert all(np.isfinite(row["val_loss"]) and row["val_loss"] < 100 for row in rows)


@serializable
class Raises(callbacks.Callback):
    """Raises after the second round, the first time."""

    times: int = 1

    def on_round_end(self, current):
        if current.number == 2 and Raises.times:
            Raises.times -= 1
            raise ZeroDivisionError("as asked")


def test_a_callback_that_raises_is_named_and_the_run_goes_on(loaders):
    trainer = trainer_of(loaders, callbacks=[Raises(), callbacks.History()], epochs=4)
    with pytest.raises(UserError, match="Raises failed after step .*: ZeroDivisionError: as asked"):
        Experiment("raises").run(trainer)
    run = Experiment("raises").run(trainer_of(loaders, callbacks=[Raises(), callbacks.History()],
                                              epochs=4))  # fmt: skip
    assert read_record(run)["sessions"] == 2
    other = Experiment("whole").run(trainer_of(loaders, callbacks=[Raises(), callbacks.History()],
                                               epochs=4))  # fmt: skip
    assert (run / "weights.npz").read_bytes() == (other / "weights.npz").read_bytes()
    assert (run / "metrics.jsonl").read_text() == (other / "metrics.jsonl").read_text()


def test_early_stop_and_more_epochs(loaders):
    """A run that ended early goes on from where it was, not from where it would have ended."""
    stop = callbacks.EarlyStopping(patience=1, min_delta=1e9)
    run = Experiment("early").run(trainer_of(loaders, callbacks=[stop], epochs=9))
    steps = [json.loads(line)["step"] for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert len(steps) == 2
    continue_run(run, epochs=12)
    more = [json.loads(line)["step"] for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert more[:3] == [*steps, steps[-1] + steps[0]]
    with pytest.raises(UserError, match="has 12 epochs already"):
        continue_run(run, epochs=3)
    with pytest.raises(UserError, match="finished; --epochs with more than 12"):
        continue_run(run)


def test_two_processes_and_changed_files(loaders, tmp_path, rng):
    trainer = trainer_of(loaders)
    run = Experiment("locked").run(trainer)
    with (run / LOCK).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(UserError, match="another process is continuing this run"):
            carry_on(run, trainer)
    soundfile.write(tmp_path / "7.wav", 0.1 * rng.normal(size=8000), 16_000)
    with pytest.raises(UserError, match=r"train: 1 of 9 files (.|\n)*7\.wav .*--changed-data"):
        continue_run(run, epochs=3)
    continue_run(run, epochs=3, changed_data=True)
    assert read_record(run)["sessions"] == 2


def test_a_run_without_its_data(loaders, tmp_path):
    run = Experiment("moved").run(trainer_of(loaders))
    (tmp_path / "clips.csv").rename(tmp_path / "other.csv")
    with pytest.raises(UserError, match=r"clips\.csv: no such file"):
        continue_run(run, epochs=3)
    root = {str(tmp_path / "clips.csv"): str(tmp_path / "other.csv")}
    assert load(run, roots=root).epochs == 2


def test_best_weights_by_a_metric_that_is_better_when_higher(loaders):
    """best.npz is the result, also for a metric that is better when it is higher."""
    trainer = trainer_of(loaders, metrics=[Falls()], epochs=3)
    run = Experiment("highest").run(trainer)
    found = [np.load(run / name) for name in ("weights.npz", "checkpoints/best.npz")]
    first = np.load(run / "checkpoints/round-0001.npz")
    for name in first.files:
        assert np.array_equal(found[0][name], first[name])
        assert np.array_equal(found[1][name], first[name])


def test_a_run_that_was_killed_before_its_clips_were_read_goes_on(loaders, monkeypatch):
    trainer = trainer_of(loaders)
    with monkeypatch.context() as patch:
        patch.setattr(experiment.provenance, "save_data", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            Experiment("early", seed=5).run(trainer)
    (begun,) = experiment.runs(Path("data/output"))
    assert Experiment("early", seed=5).run(trainer).resolve() == begun.resolve()
    assert read_record(begun)["seed"] == 5


def test_runs_are_found_by_their_names(tmp_path):
    for name in ("conformer", "stt-fr-conformer", "las", "las"):
        run = new_folder(tmp_path, name)
        run.mkdir()
        (run / "definition.json").write_text("{}")
    assert find("conformer", tmp_path).name.endswith("-conformer")
    assert find("fr-conf", tmp_path).name.endswith("-stt-fr-conformer")
    assert not find("conformer", tmp_path).name.endswith("-stt-fr-conformer")
    assert find("las-2", tmp_path).name.endswith("-las-2")
    with pytest.raises(UserError, match="no run 'tds'"):
        find("tds", tmp_path)
    with pytest.raises(UserError, match="'conf' may be"):
        find("conf", tmp_path)


def test_a_run_killed_at_its_evaluation_is_not_trained_again(loaders, tmp_path):
    small = "width=8,layers=1,heads=2,channels=2"
    given = {"train_files": "clips.csv", "network": small, "epochs": "1", "name": "one"}

    def run():
        return pipeline.run(settings_of(ExperimentSettings, {**given, "data_dir": "data"}))

    first = run()
    (first / "report.html").unlink()
    assert run() == first
    assert (first / "report.html").exists()


def test_a_damaged_run_is_in_no_other_runs_way(loaders):
    run = Experiment("whole").run(trainer_of(loaders))
    broken = run.with_name("2026-01-01-00-00-00-broken")
    shutil.copytree(run, broken)
    (broken / "experiment.json").write_text("{")
    lines = pipeline.listed(run.parent)
    assert "damaged" in lines[0]
    assert "finished" in lines[1]
    Experiment("another").run(trainer_of(loaders))
    (run / "weights.npz").write_bytes(b"PK")
    with pytest.raises(UserError, match=r"weights\.npz: damaged or of another model"):
        load(run).loaded(weights_of(run))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"network": "layers=many"}, "NETWORK: layers=many: conformer expects int"),
        ({"definition": "d.json", "epochs": "3"}, "no effect with DEFINITION, .*: EPOCHS"),
        ({"train_files": "bad.csv"}, r"bad\.csv: start 'soon' is not a number"),
    ],
)
def test_settings_that_cannot_be_used(loaders, tmp_path, given, message):
    (tmp_path / "bad.csv").write_text("wav_filename,transcript,start\n0.wav,b,soon\n")
    given = {"train_files": "clips.csv", "data_dir": str(tmp_path / "data"), **given}
    if "definition" in given:
        del given["train_files"]
    with pytest.raises(UserError, match=message):
        pipeline.run(settings_of(ExperimentSettings, given, {}))


@pytest.mark.parametrize(
    ("given", "bands", "step_ms"),
    [({}, 80, 10), ({"features": "log_mel_40", "step_ms": "20"}, 40, 20),
     ({"model": "deepspeech"}, 26, 20)],
)  # fmt: skip
def test_masks_and_frames_suit_the_features(loaders, tmp_path, given, bands, step_ms):
    given = {"train_files": "clips.csv", "data_dir": str(tmp_path / "data"), **given}
    trainer = pipeline.trainer_of(settings_of(ExperimentSettings, given, {}).settings)
    processor = trainer.data.dataset.processor
    (masks,) = [one for one in processor.augment if isinstance(one, data.SpecAugment)]
    assert (processor.bands, processor.step_ms, masks.bands) == (bands, step_ms, bands // 5)


def test_paired_bootstrap(rng):
    """An interval that holds the difference; 10,000 draws over 2,000 clips."""
    total = np.full(2000, 10.0)
    better, worse = (rng.binomial(10, p, 2000).astype(float) for p in (0.10, 0.12))
    difference, low, high, p = paired(np.stack([better, total], 1), np.stack([worse, total], 1))
    assert low < -0.02 < high
    assert low < difference < high < 0
    assert p < 0.01
    same = np.stack([better, total], 1)
    assert paired(same, same) == (0, 0, 0, 1)


def test_differences_need_the_same_clips(loaders):
    run = Experiment("one").run(trainer_of(loaders))
    found = evaluation.of_run(run)["validation"]
    assert evaluation.difference(found, found).p_value == 1
    other = evaluation.Evaluation("x", ["elsewhere.wav"], [""], [1.0], ["a"], ["b"],
                                  np.ones((1, 2)), np.ones((1, 2)))  # fmt: skip
    assert evaluation.difference(found, other) is None
