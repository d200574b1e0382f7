"""Experiments in the train image: a manifest, a run that is killed and goes on, its figures."""

import math
import os
import random
import struct
import subprocess
import time
import wave

import pytest

IMAGE = "voicekiln/train"
TONES = {"a": 400, "b": 900, "c": 1700}
RUN = [
    "trainer", "experiment", "run", "--model", "conformer", "--train-files", "/data/clips.csv",
    "--epochs", "3", "--batch-seconds", "10", "--name", "tones", "--network", "layers=1",
    "--network", "width=16", "--network", "heads=2", "--network", "channels=4",
]  # fmt: skip


def docker(home, *arguments, check=True, more=()):
    done = subprocess.run(
        ["docker", "run", "--rm", "--network", "none", *more, "-v", f"{home}:/data", IMAGE,
         *map(str, arguments)],
        capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    if check:
        assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = tmp_path_factory.mktemp("experiment") / "data"
    (home / "sources").mkdir(parents=True)
    draw = random.Random(0)
    rows = ["wav_filename,transcript,speaker"]
    for n in range(40):
        text = "".join(draw.choice("abc") for _ in range(5))
        tones = [math.sin(math.tau * TONES[c] * i / 16_000) for c in text for i in range(3200)]
        with wave.open(str(home / f"sources/{n}.wav"), "wb") as out:
            out.setnchannels(1)
            out.setsampwidth(2)
            out.setframerate(16_000)
            out.writeframes(struct.pack(f"<{len(tones)}h", *(int(9000 * tone) for tone in tones)))
        rows.append(f"{n}.wav,{text},s{n}")
    (home / "sources/table.csv").write_text("\n".join(rows) + "\n")
    for path in (home, *home.rglob("*")):
        os.chown(path, 999, 999)
    return home


def test_manifest_run_killed_continued_and_compared(home):
    found = docker(home, "trainer", "experiment", "manifest", "/data/sources/table.csv",
                   "-o", "/data/clips.csv")  # fmt: skip
    assert "train: " in found.stdout
    assert "dev: " in found.stdout
    process = subprocess.Popen(
        ["docker", "run", "--rm", "--name", "killed", "--network", "none", "-v", f"{home}:/data",
         IMAGE, *RUN],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    deadline = time.monotonic() + 300
    while not list(home.glob("output/*/metrics.jsonl")) and time.monotonic() < deadline:
        time.sleep(0.2)
    subprocess.run(["docker", "kill", "killed"], check=True, capture_output=True)
    process.wait()
    done = docker(home, *RUN)
    assert "goes on" in done.stderr
    (run,) = home.glob("output/*-tones")
    assert (run / "weights.npz").exists()
    assert (run / "report.html").exists()
    listed = docker(home, "trainer", "experiment", "list").stdout
    assert "finished" in listed
    assert "3 epochs" in listed
    shown = docker(home, "trainer", "experiment", "show", "tones").stdout
    assert "model = Conformer" in shown
    assert "validation: WER" in shown
    page = docker(home, "trainer", "experiment", "compare", "tones", "-o", "/data/page.html")
    assert page.stdout.strip() == "/data/page.html"
    figures = docker(home, "trainer", "experiment", "evaluate", "tones", "/data/clips.csv",
                     "--split", "dev")  # fmt: skip
    assert "clips-dev: WER" in figures.stderr


SCRIPT = """
from trainer import Experiment, Trainer, data, models
train = data.AudioDataset("/data/clips.csv", data.AudioProcessor("log_mel_80"), split="train")
model = models.conformer(labels=train.labels, layers=1, width=16, heads=2, channels=4)
print(Experiment("script").run(Trainer(model, train.loader(10.0), epochs=1)))
"""


def test_a_script_of_ones_own(home):
    (home / "own.py").write_text(SCRIPT)
    done = docker(home, "python", "/data/own.py")
    (run,) = home.glob("output/*-script")
    assert done.stdout.strip() == f"/data/output/{run.name}"
    assert (run / "code/own.py").read_text() == SCRIPT
    assert (run / "weights.npz").exists()


def test_errors_are_one_line(home):
    for arguments, message in (
        (("show", "nothing"), "no run 'nothing'"),
        (("run", "--model", "conformer"), "nothing to train on"),
        (("run", "--model", "rnn"), "no network 'rnn'"),
        (("run", "--train-files", "/data/gone.csv"), "/data/gone.csv: no such file"),
        (("run", "--train-files", "/data/clips.csv", "--network", "size=3"), "has no size"),
        (("continue", "tones"), "finished; --epochs"),
    ):
        done = docker(home, "trainer", "experiment", *arguments, check=False)
        assert done.returncode == 1, done.stdout + done.stderr
        assert message in done.stderr.splitlines()[-1]
        assert "Traceback" not in done.stderr
