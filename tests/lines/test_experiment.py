"""Experiments as their users run them: a script with a network, a metric and a callback of its own;
killed, continued, restored, compared."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from trainer.errors import UserError
from trainer.experiment import evaluation, pipeline
from trainer.experiment.folders import find, read_record, runs
from trainer.experiment.manifests import make
from trainer.models.speech.base import GREEDY

ROOT = Path(__file__).parents[2]
SCRIPT = '''
import keras
from helper import wide
from trainer import Experiment, Optimizer, Trainer, callbacks, data, metrics, serializable
from trainer.models.speech.ctc import CtcModel

@serializable
class Mine(CtcModel):
    """A network of two convolutions."""
    labels: tuple[str, ...]
    bands: int = 20
    units: int = 24

    def output_frames(self, frames):
        return (frames + 1) // 2

    def network(self):
        features, frames = self.given()
        x = keras.layers.Conv1D(wide(self.units), 9, 2, "same", activation="relu")(features)
        x = keras.layers.Dropout(0.1, seed=1)(x)
        x = keras.layers.Dense(len(self.labels) + 1, name="logits")(x)
        return keras.Model([features, frames], x)

@serializable
class Short(metrics.Metric):
    """Share of clips in which less is recognised than was spoken."""
    name = "short"
    factor: float = 1.0

    def __call__(self, references, hypotheses):
        pairs = zip(references, hypotheses)
        return self.factor * sum(len(b) < len(a) for a, b in pairs) / len(references)

@serializable
class Count(callbacks.Callback):
    """Counts rounds, also over restarts."""
    rounds: int = 0

    def on_round_end(self, current):
        self.rounds += 1
        current.figures["rounds"] = float(self.rounds)

    def state(self):
        return {"rounds": self.rounds}

    def restore(self, state):
        self.rounds = int(state["rounds"])

EPOCHS = 5
processor = data.AudioProcessor("log_mel_20", augment=(data.Tempo(0.05),))
train = data.AudioDataset("clips.csv", processor, split="train")
dev = data.AudioDataset("clips.csv", processor, split="dev", labels=train.labels)
trainer = Trainer(
    Mine(train.labels), train.loader(batch_seconds=8), validation=dev.loader(),
    metrics=[metrics.WordErrorRate(), Short(2.0)],
    callbacks=[Count(), callbacks.EarlyStopping(patience=30), callbacks.TextComparison(2),
               callbacks.GradientNorms(), keras.callbacks.EarlyStopping("val_loss", patience=40)],
    epochs=EPOCHS, optimizer=Optimizer(schedule="constant", learning_rate=0.01, average=False),
)
print(Experiment("tones", seed=3).run(trainer))
'''
OFTEN = """
import runpy
from trainer.training import loop
loop.CHECKPOINT_SECONDS = 0  # after every step
runpy.run_path("tones.py", run_name="__main__")
"""
TONES = {"a": 400, "b": 900, "c": 1700, " ": 0}


def speak(text):
    """A tone for each letter."""
    places = np.arange(2400) / 16_000
    parts = [0.3 * np.sin(2 * np.pi * TONES[letter] * places) for letter in text]
    return np.concatenate(parts).astype(np.float32)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = tmp_path_factory.mktemp("experiment")
    (home / "tones.py").write_text(SCRIPT)
    (home / "helper.py").write_text("def wide(units):\n    return 2 * units\n")
    draw = random.Random(1)
    rows = ["wav_filename,transcript,speaker,split"]
    for n in range(60):
        text = "".join(draw.choice("abc ") for _ in range(draw.randint(3, 9))).strip() or "a"
        text = " ".join(text.split())
        soundfile.write(home / f"{n}.wav", speak(text), 16_000)
        rows.append(f"{n}.wav,{text},s{n % 5},{'dev' if n % 5 == 0 else 'train'}")
    (home / "clips.csv").write_text("\n".join(rows) + "\n")
    (home / "data").mkdir()
    return home


def started(home, *arguments, **more):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "DATA_DIR": str(home / "data"), **more}
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", *arguments], cwd=home, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def finished(home, *arguments, **more):
    process = started(home, *arguments, **more)
    out = process.communicate()[0]
    assert process.returncode == 0, out
    return Path(out.splitlines()[-1])


def weights(run):
    with np.load(run / "weights.npz") as found:
        return [found[name] for name in found.files]


def equal(one, other):
    return all(np.array_equal(a, b) for a, b in zip(weights(one), weights(other), strict=True))


@pytest.fixture(scope="module")
def whole(home):
    """An unbroken run."""
    return finished(home, "tones.py")


def test_what_a_run_keeps(whole):
    record = read_record(whole)
    assert whole.name.endswith("-tones")
    assert ":" not in whole.name
    assert record["status"] == "finished"
    assert record["data"]["train"]["clips"] == 48
    assert record["parameters"] > 1000
    names = {str(p.relative_to(whole)) for p in whole.rglob("*") if p.is_file()}
    assert names >= {
        "code/tones.py", "code/helper.py", "code/requirements.txt", "data/train.csv",
        "data/train.json", "definition.json", "metrics.jsonl", "samples.jsonl", "gradients.jsonl",
        "weights.npz", "checkpoints/best.npz", "training.log",
    }  # fmt: skip
    rows = [json.loads(line) for line in (whole / "metrics.jsonl").read_text().splitlines()]
    assert [row["rounds"] for row in rows] == [1, 2, 3, 4, 5]
    assert rows[-1]["val_loss"] < rows[0]["val_loss"] / 2
    assert not list(whole.rglob("*.pkl"))


def wait_for_checkpoint(output, process):
    """Until the next one is saved."""

    def saved():
        return [path.stat().st_mtime_ns for path in output.glob("*/checkpoint.npz")]

    before = saved()
    while saved() in ([], before):
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.002)


def test_killed_runs_go_on_bit_by_bit(home, whole, tmp_path):
    shutil.copytree(home, tmp_path / "b", ignore=shutil.ignore_patterns("output"))
    draw, output = random.Random(4), tmp_path / "b/data/output"
    for checkpoints in (1, draw.randint(2, 6), draw.randint(2, 6)):
        process = started(tmp_path / "b", "-c", OFTEN)
        for _ in range(checkpoints):
            wait_for_checkpoint(output, process)
        time.sleep(draw.uniform(0, 0.05))
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    other = finished(tmp_path / "b", "tones.py")
    assert len(runs(output)) == 1
    assert equal(whole, other)
    same = [(run / "metrics.jsonl").read_text() for run in (whole, other)]
    assert same[0] == same[1]


def test_more_epochs_equal_a_longer_run(home, whole, tmp_path):
    """`continue` in another folder, with the code of the run."""
    text = SCRIPT.replace("EPOCHS = 5", "EPOCHS = 6")
    assert text != SCRIPT
    (home / "longer.py").write_text(text)
    longer = finished(home, "longer.py")
    shutil.copytree(whole, tmp_path / "data/output" / whole.name)
    moved = tmp_path / "moved"
    shutil.copytree(home, moved, ignore=shutil.ignore_patterns("output", "work"))
    made = finished(
        tmp_path, "-m", "trainer", "experiment", "continue", "tones", "--epochs", "6",
        "--data-root", f"{home}={moved}", "--changed-data", "--data-dir", str(tmp_path / "data"),
    )  # fmt: skip
    assert made.is_relative_to(tmp_path)
    assert equal(longer, made)
    assert (made / "report.html").stat().st_size < 2 << 20
    assert evaluation.of_run(made)["validation"].wer < 0.9


def test_a_restored_run_is_repeated_to_the_same_bytes(whole, tmp_path):
    from click.testing import CliRunner

    from trainer.experiment.cli import cli

    found = CliRunner().invoke(
        cli, ["restore", whole.name, str(tmp_path / "again"), "--data-dir", str(whole.parents[1])]
    )
    assert found.exit_code == 0, found.output
    assert "all the same" in found.output
    (tmp_path / "data").mkdir()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "DATA_DIR": str(tmp_path / "data")}
    environment["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    subprocess.run(["sh", tmp_path / "again/repeat.sh"], env=environment, check=True)
    other = runs(tmp_path / "data/output")[0]
    assert (whole / "weights.npz").read_bytes() == (other / "weights.npz").read_bytes()


def test_two_runs_on_one_page(home, whole, monkeypatch):
    monkeypatch.setenv("DATA_DIR", str(home / "data"))
    monkeypatch.chdir(home)
    output = home / "data/output"
    others = [run for run in runs(output) if run != whole]
    for run in (whole, *others):
        pipeline.evaluate(run.name, output, home / "clips.csv", GREEDY, "dev", {})
    page = pipeline.compare([whole.name, others[0].name], output, home / "page.html")
    text = page.read_text()
    assert "epochs" in text
    assert "clips-dev" in text
    assert "<audio" in text
    assert any(whole.name in line and "finished" in line for line in pipeline.listed(output))
    assert any("val_wer" in line for line in pipeline.listed(output))
    assert "status: finished" in pipeline.shown(whole.name, output)
    with pytest.raises(UserError, match="may be"):
        find("tones", output)


def test_damaged_folders(whole, tmp_path):
    shutil.copytree(whole, tmp_path / whole.name)
    run = tmp_path / whole.name
    (run / "experiment.json").write_text('{"format": 1')
    with pytest.raises(UserError, match="damaged"):
        read_record(run)
    (run / "experiment.json").write_text('{"format": 99, "voicekiln": "9.0"}')
    with pytest.raises(UserError, match=r"Voicekiln 9\.0"):
        read_record(run)
    (run / "definition.json").unlink()
    with pytest.raises(UserError, match="no run"):
        find(whole.name, tmp_path)


def test_manifest(home, tmp_path):
    (home / "broken.wav").write_bytes(b"RIFF")
    table = tmp_path / "clips.csv"
    table.write_text(
        f"wav_filename,transcript,speaker\n{home}/0.wav,a b,x\n{home}/1.wav,c,y\n"
        f"{home}/broken.wav,a,z\n{home}/none.wav,b,z\n"
    )
    lines = make([str(table)], tmp_path / "out.jsonl", 0.3, 20, splits=True)
    assert any("2 clips" in line or "1 clips" in line for line in lines)
    refused = (tmp_path / "out.rejected.csv").read_text()
    assert "broken.wav" in refused
    assert "no such file" in refused
    row = json.loads((tmp_path / "out.jsonl").read_text().splitlines()[0])
    assert row["duration"] > 0.3
    assert len(row["sha256"]) == 64
    again = make([str(tmp_path / "out.jsonl")], tmp_path / "again.csv", 0, 0, splits=True)
    assert again == lines
    with pytest.raises(UserError, match="none of 4"):
        make([str(table)], tmp_path / "no.csv", 90, 0, splits=True)


def test_the_examples_of_the_page_run(home, tmp_path):
    from trainer.models.speech.base import network_of

    page = (ROOT / "docs/experiments.md").read_text()
    quick, own = (part.split("```")[0] for part in page.split("```python\n")[1:3])
    small = "models.las(labels=train.labels, listener=8, speller=16)"
    quick = quick.replace("models.las(labels=train.labels)", small).replace("epochs=40", "epochs=1")
    shutil.copytree(home, tmp_path / "b", ignore=shutil.ignore_patterns("output"))
    (tmp_path / "b/quick.py").write_text(quick.replace("an4.csv", "clips.csv"))
    process = started(tmp_path / "b", "quick.py")
    out = process.communicate()[0]
    assert process.returncode == 0, out
    (run,) = runs(tmp_path / "b/data/output")
    assert read_record(run)["seed"] == 7
    assert evaluation.of_run(run)["validation"].paths
    names = {}
    exec(own, names)
    assert network_of(names["Small"](labels=("a", "b"))).count_params() > 1000
