"""The speech-to-text image on a real engine: its lines at a tiny size, as another user, with a
scorer; killed ten times."""

import json
import math
import os
import random
import re
import shutil
import struct
import subprocess
import tarfile
import time
import wave

import pytest

IMAGE = "voicekiln/train"
TONES = {"low": 300, "high": 900, "low high": 500, "high low": 1300}
SMALL = [
    "--n-hidden",
    "32",
    "--lm-order",
    "2",
    "--lm-prune",
    "0",
    "--lm-memory",
    "100M",
    "--lm-evaluate-range",
    "3,3,3",
]
TRAIN = [
    "trainer",
    "stt",
    "train",
    "--train-files",
    "/data/all.csv",
    "--dev-files",
    "/data/all.csv",
    "--lm-text",
    "transcripts,/data/more.txt",
    *SMALL,
    "--epochs",
    "2",
]
MODEL = (
    "output_graph.pb",
    "output_graph.pbmm",
    "output_graph.tflite",
    "output_graph_float.tflite",
    "kenlm.scorer",
    "alphabet.txt",
    "rejected.csv",
    "voicekiln_voicekiln-fr_0.1.0.md",
    "checkpoint/best_dev-0.data-00000-of-00001",
)


def docker(*arguments, check=True):
    done = subprocess.run(
        ["docker", "run", "--rm", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    if check:
        assert done.returncode == 0, done.stdout + done.stderr
    return done


def tone(path, hertz, seconds=1.0):
    with wave.open(str(path), "wb") as out:
        out.setparams((1, 2, 16000, 0, "NONE", ""))
        out.writeframes(
            b"".join(
                struct.pack("<h", int(9000 * math.sin(t * hertz * 2 * math.pi / 16000)))
                for t in range(int(16000 * seconds))
            )
        )


def owned(folder):
    """By uid 1234, as all containers here run."""
    folder.chmod(0o755)
    for path in (folder, *folder.rglob("*")):
        os.chown(path, 1234, 1234)
    return folder


def mounted(data):
    return ["--user", "1234:1234", "--read-only", "--tmpfs", "/tmp", "-v", f"{data}:/data"]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """/data of user 1234 with twenty clips that only look like speech."""
    folder = tmp_path_factory.mktemp("stt")
    rows = ["wav_filename,wav_filesize,transcript,speaker"]
    for i in range(20):
        text, hertz = list(TONES.items())[i % 4]
        tone(folder / f"{i}.wav", hertz)
        rows.append(f"{i}.wav,0,{text},s{i % 5}")
    (folder / "all.csv").write_text("\n".join([*rows, "none.wav,0,low,s1"]) + "\n")
    (folder / "more.txt").write_text("high\nlow\n")
    return owned(folder)


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """A Common Voice archive in the layout of its releases."""
    place = tmp_path_factory.mktemp("cv")
    folder = place / "cv-corpus-6.1-2020-12-11" / "fr"
    (folder / "clips").mkdir(parents=True)
    for split, first, count in (
        ("train", 0, 16),
        ("dev", 16, 6),
        ("test", 22, 6),
        ("validated", 0, 0),
    ):
        rows = ["client_id\tpath\tsentence\tup_votes"]
        for i in range(first, first + count):
            tone(folder / "clips" / f"{i}.wav", 200 + 40 * i, 1.5)
            rows.append(
                f"s{i}\t{i}.wav\tOui, le son {'abcdefghijklmnopqrstuvwxyzéè'[i]} est « là » !\t2"
            )
        (folder / f"{split}.tsv").write_text("\n".join(rows) + "\n")
    path = place / "cv-corpus-6.1-2020-12-11-fr.tar.gz"
    with tarfile.open(path, "w:gz") as out:
        out.add(place / "cv-corpus-6.1-2020-12-11", "cv-corpus-6.1-2020-12-11")
    return path


def with_sources(folder, archive):
    (folder / "sources").mkdir(parents=True)
    shutil.copyfile(archive, folder / "sources" / archive.name)
    return owned(folder)


def test_gives_a_package_and_then_has_nothing_to_do(data):
    mount = [*mounted(data), IMAGE]
    output = docker(*mount, *TRAIN).stderr
    assert "2 rejected: no such file" in output
    folder = next((data / "output").iterdir())
    names = {p.name for p in folder.iterdir()}
    assert {
        "output_graph.pb",
        "output_graph.pbmm",
        "output_graph.tflite",
        "kenlm.scorer",
        "alphabet.txt",
        "experiment.json",
        "report.html",
    } <= names
    figures = json.loads((folder / "experiment.json").read_text())["figures"]["dev all"]
    assert set(figures) == {
        f"{decoder}{scorer}"
        for decoder in ("deepspeech", "deepspeech-tflite", "stt")
        for scorer in ("", " with scorer")
    } | {"with scorer", "without scorer"}
    assert all(found["clips"] == 20 for found in figures.values())
    assert "Nothing to do" in docker(*mount, *TRAIN).stderr
    # another weight of the language model packs the scorer and tests again, and nothing else
    output = docker("-e", "LM_ALPHA=1.2", *mount, *TRAIN).stderr
    assert "LM_ALPHA given: not tuned" in output
    assert "scorer: runs again, changed: alpha" in output
    for step in ("train", "lm_text", "language_model", "export", "import_train_all"):
        assert not re.search(rf" {step}: (starting|runs again|done)", output), step
    model = f"/data/output/{folder.name}/output_graph.pbmm"
    done = docker(
        *mount,
        "trainer",
        "stt",
        "transcribe",
        "--model",
        model,
        "/data/none.wav",
        "/data/0.wav",
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout.startswith("/data/0.wav\t")
    assert "ERROR: /data/none.wav: no such file" in done.stderr
    # a finished scorer is taken as it is, tuned, or given other weights
    finished = folder / "kenlm.scorer"

    def with_it(stage, *more):
        given = ["--scorer-path", f"/data/output/{folder.name}/{finished.name}", *more]
        return docker(*mount, "trainer", "stt", stage, *TRAIN[3:], *given).stderr

    labels = [
        line
        for line in (folder / "alphabet.txt").read_text().splitlines()
        if not line.startswith("#")
    ]
    (data / "other.txt").write_text("\n".join([labels[0], *labels[:0:-1]]) + "\n")
    owned(data)
    with_other_labels = [
        "--scorer-path",
        f"/data/output/{folder.name}/{finished.name}",
        "--alphabet-config-path",
        "/data/other.txt",
    ]
    wrong = docker(*mount, *TRAIN, *with_other_labels, check=False)
    assert wrong.returncode == 1
    assert (
        "kenlm.scorer: made for another alphabet: its language model does not know" in wrong.stderr
    )
    assert "tuned on" not in with_it("export", "--lm-evaluate-range", "")
    assert "tuned on" in with_it("tune")
    tuned = (
        data
        / re.search(r"(?:Made|Up to date): /data/(\S+)", with_it("tune", "--lm-alpha", "2.5"))[1]
        / finished.name
    )
    magic = finished.read_bytes().rfind(struct.pack("<i", 0x54524945))
    card = next(folder.glob("*.md")).read_text()
    alpha, beta = struct.unpack_from("<dd", finished.read_bytes(), magic + 9)
    assert f"- LM_ALPHA: {alpha}\n" in card
    assert f"- LM_BETA: {beta}\n" in card
    assert "| more.txt | 2 | 0 | 0 |" in card
    assert struct.unpack_from("<d", tuned.read_bytes(), magic + 9)[0] == 2.5
    assert tuned.read_bytes()[: magic + 9] == finished.read_bytes()[: magic + 9]


def test_bytes_with_a_scorer_of_characters(data):
    """Our decoder gives the text that the library gives."""
    lines = (data / "all.csv").read_text().splitlines()
    (data / "characters.csv").write_text(
        "\n".join(
            line.replace("low", "低").replace("high", "高é").replace(" ", "") for line in lines
        )
        + "\n"
    )
    owned(data)
    output = docker(
        *mounted(data),
        IMAGE,
        *(part.replace("all.csv", "characters.csv") for part in TRAIN),
        "--bytes-output-mode",
        "--export-beam-width",
        "20",
        "--data-dir",
        "/data/characters",
    ).stderr
    assert re.search(r"tuned on .*: CER", output)
    folder = next((data / "characters" / "output").iterdir())
    figures = json.loads((folder / "experiment.json").read_text())["figures"]["dev characters"]
    for which in ("best", "median", "worst"):
        assert figures["with scorer"][which] == figures["deepspeech with scorer"][which]


def test_a_language_from_its_archive_and_ten_times_killed(archive, tmp_path):
    """`train_language`, unbroken; and from nothing, killed at ten moments: the same files, byte for
    byte."""
    whole, broken = (
        with_sources(tmp_path / "whole", archive),
        with_sources(tmp_path / "broken", archive),
    )
    values = {
        "MODEL_LANGUAGE": "fr",
        "N_HIDDEN": 32,
        "EPOCHS": 200,
        "TRAIN_BATCH_SIZE": 4,
        "LM_ORDER": 2,
        "LM_MEMORY": "100M",
        "LM_EVALUATE_RANGE": "3,3,4",
        "EXPORT_BEAM_WIDTH": 50,
        "SPLICE": 0.5,
    }
    settings = [word for name, value in values.items() for word in ("-e", f"{name}={value}")]
    output = docker(*settings, *mounted(whole), IMAGE, "train_language").stderr
    assert "lingua_libre: missing: download https" in output
    assert "train common_voice: 16 of 16 clips" in output
    start = time.monotonic()
    assert "Nothing to do" in docker(*settings, *mounted(whole), IMAGE, "train_language").stderr
    idle = time.monotonic() - start
    rng, killed = random.Random(5), 0
    for moment in range(10):
        name = f"voicekiln-killed-{os.getpid()}-{moment}"
        with subprocess.Popen(
            [
                "docker",
                "run",
                "--rm",
                "--name",
                name,
                *settings,
                *mounted(broken),
                IMAGE,
                "train_language",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as run:
            try:
                run.wait(timeout=idle * 0.7 + rng.random() * 4)
            except subprocess.TimeoutExpired:
                killed += 1
                subprocess.run(
                    ["docker", "kill", "-s", "KILL", name], check=False, capture_output=True
                )
    assert killed >= 6
    docker(*settings, *mounted(broken), IMAGE, "train_language")
    one, other = (next((place / "output").iterdir()) for place in (whole, broken))
    for name in MODEL:
        assert (one / name).read_bytes() == (other / name).read_bytes(), name


def test_our_decoder_says_what_the_clients_say(data):
    """With and without the scorer, on clips that a trained model recognises: the same text from
    libdeepspeech."""
    mount = [*mounted(data), IMAGE]
    docker(
        "-e",
        "EPOCHS=200",
        "-e",
        "TRAIN_BATCH_SIZE=4",
        "-e",
        "LEARNING_RATE=0.004",
        "-e",
        "VOICES=0",
        *mount,
        *TRAIN[:-2],
    )
    folder = max((data / "output").glob("*-200"))
    figures = json.loads((folder / "experiment.json").read_text())["figures"]["dev all"]
    assert figures["with scorer"]["wer"] < 0.2
    for name in ("deepspeech", "deepspeech with scorer"):
        assert figures[name]["agreement"] >= 0.99, figures[name]


def test_holds_no_compiler_and_faults_are_one_line(data):
    assert (
        docker(IMAGE, "sh", "-c", "command -v g++ cmake make || echo none").stdout.strip() == "none"
    )
    done = docker(
        "-v",
        f"{data}:/data:ro",
        IMAGE,
        "trainer",
        "stt",
        "train",
        "--train-files",
        "/data/other.csv",
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.count("ERROR") == 1


def test_every_language_folder_is_in_the_image(data):
    output = docker(IMAGE, "sh", "-c", "ls /opt/voicekiln/lang").stdout.split()
    assert {"bn", "de", "en", "es", "fr", "it", "kab", "tr"} <= set(output)
    for code in output:
        assert "BAD" not in docker(*mounted(data), IMAGE, "trainer", "stt", "language", code).stdout


def test_the_check_tries_everything(data):
    output = docker(*mounted(data), IMAGE, "trainer", "check").stdout
    for part in (
        "Disk: ",
        "Training step: works",
        "Export, run in deepspeech: works",
        "Export, run in stt: works",
        "KenLM: ",
    ):
        assert part in output


def test_the_mount_of_commonvoice_fr(tmp_path):
    """Its documentation mounts a folder at /mnt."""
    tmp_path.chmod(0o777)
    mount = f"type=bind,src={tmp_path},dst=/mnt"
    done = docker("--tty", "--mount", mount, IMAGE, check=False)
    assert "no corpus of 'fr' is in /mnt/sources" in done.stdout


WORDS = """
from pathlib import Path
from trainer.text.alphabet import read_alphabet
from trainer.text.scorer import read
import sys
alphabet = read_alphabet(Path(sys.argv[2]))
print(sorted(alphabet.decode(w).strip() for w in read(Path(sys.argv[1]), alphabet)[2].all()))
"""


def test_a_scorer_from_text_alone_and_for_another_alphabet(tmp_path):
    tmp_path.chmod(0o777)
    (tmp_path / "text.txt").write_text("go home\nhome alone\n")
    (tmp_path / "old.txt").write_text("\n".join(" aeghlmnot") + "\n")
    (tmp_path / "new.txt").write_text("\n".join("tonmhge ") + "\n")
    run = (*mounted(tmp_path), IMAGE)
    small = ("--lm-order", "2", "--lm-prune", "0", "--lm-memory", "100M")
    lm = ("trainer", "stt", "lm", "--alphabet")
    docker(*run, *lm, "/data/old.txt", "--text", "/data/text.txt", *small)
    (first,) = (tmp_path / "work/stt/scorer").glob("*/kenlm.scorer")
    shutil.copyfile(first, tmp_path / "old.scorer")

    def words(scorer, alphabet):
        python = ("/opt/venv/bin/python", "-c", WORDS, f"/data/{scorer}", f"/data/{alphabet}")
        return docker(*run, *python).stdout.strip()

    assert words("old.scorer", "old.txt") == "['alone', 'go', 'home']"
    given = ("--scorer_path", "/data/old.scorer", "--scorer_alphabet", "/data/old.txt")
    done = docker(*run, *lm, "/data/new.txt", *given)
    assert "1 words have characters outside the new alphabet" in done.stderr
    (path,) = (tmp_path / "work/stt/scorer_respelled").glob("*/kenlm.scorer")
    shutil.copyfile(path, tmp_path / "new.scorer")
    assert words("new.scorer", "new.txt") == "['go', 'home']"
