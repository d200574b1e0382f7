"""The wake word image on a real engine, as its users run it."""

import json
import os
import shutil
import subprocess
import time
import uuid
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
IMAGE = "voicekiln/wakeword"
SMALL = ["--samples=120", "--speech-hours=0.1", "--training-steps=300", "--no-starter"]
SMALL += ["--neural-samples=16"]
FAST = [*SMALL, "--neural-samples=0"]  # an option given twice: the last counts


def docker(*arguments, timeout=300, check=True):
    done = subprocess.run(
        ["docker", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    if check:
        assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    """A /data with its Python environment, owned by the image's user; shared, as its users share
    it."""
    given = os.environ.get("VOICEKILN_TEST_DATA")
    folder = Path(given) if given else tmp_path_factory.mktemp("data")
    folder.chmod(0o755)
    if os.getuid() == 0:
        os.chown(folder, 999, 999)
    done = docker("run", "--rm", "-v", f"{folder}:/data", IMAGE, "setup_python_venv", timeout=900)
    assert "up to date" in done.stdout or "Python environment ready" in done.stdout
    return folder


@pytest.fixture
def container(data):
    """A container that stays: `docker exec` goes in."""
    name = f"mww-{uuid.uuid4().hex[:8]}"
    docker("run", "-dit", "--name", name, "-v", f"{data}:/data", IMAGE)
    yield name
    docker("rm", "-f", name)


def outputs(data, phrase):
    return sorted((data / "output").glob(f"*-{phrase}-*")) if (data / "output").exists() else []


def test_banner_says_what_is_missing(tmp_path):
    output = docker("run", "--rm", IMAGE, "bash", "-c", "true").stderr
    assert "/data directory is NOT mounted" in output
    tmp_path.chmod(0o755)
    output = docker("run", "--rm", "-v", f"{tmp_path}:/data:ro", IMAGE, "bash", "-c", "true").stderr
    assert "cannot be written" in output
    output = docker("run", "--rm", "-v", f"{tmp_path}:/data", "--user", "0", IMAGE, "bash").stderr
    assert "virtual environment wasn't found" in output


def test_refuses_to_fill_the_container(tmp_path):
    done = docker("run", "--rm", IMAGE, "train_wake_word", "hey buster", check=False)
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1].startswith("ERROR: /data is not mounted")
    tmp_path.chmod(0o755)
    done = docker(
        "run",
        "--rm",
        "-v",
        f"{tmp_path}:/data:ro",
        IMAGE,
        "train_wake_word",
        "hey buster",
        check=False,
    )
    assert done.returncode == 1
    assert "ERROR: /data cannot be written by uid 999" in done.stderr


def test_runs_any_command_and_reads_bashrc(data):
    assert (
        docker("run", "--rm", "-v", f"{data}:/data", IMAGE, "echo", "hello").stdout.strip()
        == "hello"
    )
    rc = data / ".bashrc"
    rc.write_text("alias buster='echo from bashrc'\n")
    output = subprocess.run(
        ["docker", "run", "--rm", "-i", "-v", f"{data}:/data", IMAGE, "bash", "-i"],
        input="buster\n",
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout
    rc.unlink()
    assert "from bashrc" in output


def test_second_setup_does_nothing(data):
    start = time.monotonic()
    assert (
        "up to date"
        in docker("run", "--rm", "-v", f"{data}:/data", IMAGE, "setup_python_venv").stdout
    )
    assert time.monotonic() - start < 5


def test_venv_of_another_lock_is_brought_up_to_date(data):
    mark = data / ".venv" / ".voicekiln"
    before = mark.read_text()
    mark.write_text("0123456789abcdef\n")
    output = docker(
        "run", "--rm", "-v", f"{data}:/data", IMAGE, "setup_python_venv", timeout=900
    ).stdout
    assert "Bringing" in output
    assert mark.read_text().splitlines()[0] == before.splitlines()[0]


def test_read_only_root_another_uid_and_no_capabilities(data, tmp_path):
    other = tmp_path / "data"
    other.mkdir()
    (other / "own").mkdir()
    other.chmod(0o777)
    done = docker(
        "run",
        "--rm",
        "--read-only",
        "--tmpfs",
        "/tmp",
        "--cap-drop",
        "ALL",
        "--user",
        "4711:4711",
        "-v",
        f"{other}:/data",
        "-v",
        f"{data / '.venv'}:/data/.venv:ro",
        IMAGE,
        "wake_word_sample_generator",
        "--samples=1",
        "hey buster.",
        timeout=300,
    )
    wav = other / "work/test_sample/hey_buster.wav"
    assert wav.read_bytes()[:4] == b"RIFF"
    assert wav.stat().st_uid == 4711
    assert "Sample available at /data/work/test_sample/hey_buster.wav" in done.stdout + done.stderr


def test_compose_gives_files_to_the_owner_of_data(data, tmp_path):
    if os.getuid() != 0:
        pytest.skip("needs root to make a folder of another user")
    home = tmp_path / "project"
    shutil.copytree(ROOT, home, ignore=shutil.ignore_patterns(".git", "data", "__pycache__"))
    (home / "data").mkdir()
    os.chown(home / "data", 4712, 4712)
    done = subprocess.run(
        [
            "docker",
            "compose",
            "run",
            "--rm",
            "-T",
            "-v",
            f"{data / '.venv'}:/data/.venv:ro",
            "wakeword",
            "wake_word_sample_generator",
            "hey buster",
        ],
        cwd=home,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (home / "data/work/test_sample/hey_buster.wav").stat().st_uid == 4712


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["train_wake_word", "!?"], "the wake word is empty"),
        (["train_wake_word", "--samples=lots", "hey buster"], "SAMPLES from flag"),
        (
            ["train_wake_word", "--personal-samples=/nowhere", "hey buster", *SMALL],
            "no such folder",
        ),
        (["train_wake_word", "--language=xx", "hey buster"], "no voice"),
        (
            ["trainer", "wakeword", "evaluate", "--ambient", "/data", "/data/none.tflite"],
            "no such model",
        ),
        (["setup_training_datasets", "nothing"], "no data set 'nothing'"),
    ],
)
def test_mistakes_are_one_line(data, arguments, expected):
    done = docker("run", "--rm", "-v", f"{data}:/data", IMAGE, *arguments, check=False)
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("ERROR: ")
    assert expected in last
    assert "Traceback" not in done.stderr


def test_main_job_kill_resume_and_again(data, container):
    """The main job; killed in training it ends in the same model; a third run has nothing to do."""
    command = ["exec", container, "train_wake_word", *SMALL, "hey buster"]
    docker(*command, timeout=600)
    whole = outputs(data, "hey_buster")[-1]
    names = {p.name for p in whole.iterdir()}
    assert {
        "hey_buster.tflite",
        "hey_buster.json",
        "report.html",
        "experiment.json",
        "training.log",
        "logs",
    } <= names
    log = (whole / "training.log").read_text()
    assert "Training Summary" in log
    assert "Total Elapsed time" in log
    start = time.monotonic()
    again = docker(*command)
    assert "Nothing to do" in again.stderr
    assert time.monotonic() - start < 20

    for moment in ("synthesize_phrase", "synthesize_neural_phrase", "features_phrase", "train"):
        docker("exec", container, "trainer", "clean")
        running = subprocess.Popen(
            ["docker", *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        end = time.monotonic() + 300
        while not list(data.glob(f"work/wakeword/{moment}/*.partial")) and time.monotonic() < end:
            time.sleep(0.05)
        time.sleep(1.5 if moment == "train" else 0.3)
        docker("exec", container, "pkill", "-9", "-f", "trainer wakeword", check=False)
        assert running.wait(timeout=60) != 0
    docker(*command, timeout=600)
    resumed = outputs(data, "hey_buster")[-1]
    assert resumed != whole
    for name in ("hey_buster.tflite", "hey_buster.json"):
        assert (resumed / name).read_bytes() == (whole / name).read_bytes(), name


def test_model_runs_in_the_client(data):
    """pymicro-wakeword's own loader and the manifest that ESPHome checks."""
    folder = outputs(data, "hey_buster")[-1]
    output = json.loads((folder / "hey_buster.json").read_text())
    assert set(output) == {
        "type",
        "wake_word",
        "author",
        "website",
        "model",
        "trained_languages",
        "version",
        "micro",
    }
    code = (
        "from pymicro_wakeword import MicroWakeWord, MicroWakeWordFeatures; import sys; "
        "w = MicroWakeWord.from_config(sys.argv[1]); f = MicroWakeWordFeatures(); "
        "print([w.process_streaming(x) for x in f.process_streaming(bytes(64000))][-1])"
    )
    inside = f"/data/output/{folder.name}/hey_buster.json"
    done = docker(
        "run", "--rm", "-v", f"{data}:/data", IMAGE, "/data/.venv/bin/python", "-c", code, inside
    )
    assert done.stdout.strip() == "False"


def test_loop_over_phrases(data, container):
    for word, name in (("hey jarvis", "hey_jarvis"), ("computer", "computer")):
        docker("exec", container, "train_wake_word", *FAST, "--cleanup-work-dir", word, timeout=600)
        assert (outputs(data, name)[-1] / f"{name}.tflite").stat().st_size > 30000
    kept = {p.name for p in (data / "work" / "wakeword").iterdir()}
    assert (
        not list((data / "work" / "wakeword" / "train").glob("*"))
        or "train" not in kept
        or all(
            json.loads(p.read_text())["label"] == "hey buster"
            for p in (data / "work" / "wakeword" / "train").glob("*/step.json")
        )
    )


def test_stop_saves_and_goes_on(data):
    name = f"stop-{uuid.uuid4().hex[:8]}"
    command = ["train_wake_word", *FAST, "--training-steps=4000", "hey buster"]
    docker("run", "-d", "--name", name, "-v", f"{data}:/data", IMAGE, *command)
    end = time.monotonic() + 240
    while (
        not list(data.glob("work/wakeword/train/*.partial/metrics.jsonl"))
        and time.monotonic() < end
    ):
        time.sleep(0.2)
    start = time.monotonic()
    docker("stop", "-t", "30", name)
    assert time.monotonic() - start < 10
    assert docker("inspect", "-f", "{{.State.ExitCode}}", name).stdout.strip() == "143"
    output = docker("logs", name).stderr
    docker("rm", name)
    assert "run the same command to go on" in output
    assert list(data.glob("work/wakeword/train/*.partial/checkpoint.npz"))
    shutil.rmtree(data / "work" / "wakeword" / "train")


def test_a_clone_on_windows_has_the_line_endings_of_linux(tmp_path):
    """With core.autocrlf=true, as Git for Windows sets it."""
    source = tmp_path / "source"
    source.mkdir()
    root = Path(__file__).parents[2]
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@x", "-c", "core.autocrlf=true"]
    for name in (".gitattributes", "entrypoints/start", "lang/fr/importers.sh", "compose.yaml"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes((root / name).read_bytes())
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "x"]):
        subprocess.run([*git, *command], cwd=source, check=True, capture_output=True)
    subprocess.run([*git, "clone", "-q", str(source), str(tmp_path / "clone")], check=True)
    for name in ("entrypoints/start", "lang/fr/importers.sh", "compose.yaml"):
        assert b"\r" not in (tmp_path / "clone" / name).read_bytes()
