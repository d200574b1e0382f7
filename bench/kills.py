"""Whether runs that are killed at random moments end with the weights of an unbroken one.

    python -m bench.kills --times 20 --model las

Small networks of the zoo on clips of tones; a checkpoint is saved after each step.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click
import numpy as np
import soundfile

from trainer.models import SPEECH

TONES = {"a": 400, "b": 900, "c": 1700}
SMALL = {
    "deepspeech": "units=32",
    "deepspeech2": "units=16,layers=2,channels=4",
    "las": "listener=16,speller=24,embedding=8",
    "tds": "channels=2x3x4,blocks=1x1x1,units=24,embedding=8",
    "conformer": "width=16,layers=1,heads=2,channels=4",
}
OFTEN = (
    "from trainer.training import loop; loop.CHECKPOINT_SECONDS = 0; "
    "from trainer.cli import cli; cli()"
)


def make_clips(home: Path, count: int = 48) -> Path:
    """A table of clips in which each letter is a tone."""
    draw, rows = random.Random(0), ["wav_filename,transcript,split"]
    places = np.arange(3200) / 16_000
    for n in range(count):
        text = "".join(draw.choice("abc") for _ in range(draw.randint(3, 6)))
        sound = np.concatenate([0.3 * np.sin(2 * np.pi * TONES[c] * places) for c in text])
        soundfile.write(home / f"{n}.wav", sound, 16_000)
        rows.append(f"{n}.wav,{text},{'dev' if n % 6 == 0 else 'train'}")
    (home / "clips.csv").write_text("\n".join(rows) + "\n")
    return home / "clips.csv"


def started(model: str, table: Path, data: Path) -> subprocess.Popen[bytes]:
    """A run with this data folder."""
    given = ["--model", model, "--network", SMALL[model], "--train-files", table, "--epochs", 12]
    given += ["--batch-seconds", 12, "--data-dir", data, "--name", "run"]
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", OFTEN, "experiment", "run", *map(str, given)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def weights_of(data: Path) -> list[np.ndarray]:
    """Of the one run in a data folder."""
    (path,) = data.glob("output/*/weights.npz")
    with np.load(path) as found:
        return [found[name] for name in found.files]


@click.command()
@click.option("--times", default=20, help="Kills of each network.")
@click.option("--model", "models", multiple=True, type=click.Choice(list(SPEECH)))
def main(times: int, models: tuple[str, ...]) -> None:
    """Print one line a network."""
    draw = random.Random(1)
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        table = make_clips(home)
        for model in models or tuple(SPEECH):
            start = time.monotonic()
            process = started(model, table, home / "whole")
            assert process.wait() == 0, f"{model}: the unbroken run failed"
            whole, kills, ended, differ = time.monotonic() - start, 0, 0, 0
            wanted = weights_of(home / "whole")
            while kills < times or (home / "broken" / "output").exists():
                process = started(model, table, home / "broken")
                try:
                    process.wait(draw.uniform(0.2, 1.0) * whole if kills < times else None)
                except subprocess.TimeoutExpired:
                    process.send_signal(signal.SIGKILL)
                    process.wait()
                    kills += 1
                    if not list((home / "broken").glob("output/*/report.html")):  # not at its end
                        continue
                found = weights_of(home / "broken")
                ended += 1
                differ += not all(map(np.array_equal, wanted, found))
                shutil.rmtree(home / "broken" / "output")  # and from the beginning
            click.echo(f"{model}: {kills} kills, {ended} runs to the end, {differ} differ")
            shutil.rmtree(home / "whole" / "output")


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    main()
