"""The speech-to-text image on a real engine: its line at a tiny size, as another user, with a scorer."""

import json
import math
import os
import struct
import subprocess
import wave

import pytest

IMAGE = "voicekiln/train"
TONES = {"low": 300, "high": 900, "low high": 500, "high low": 1300}
TRAIN = ["trainer", "stt", "train", "--train-files", "/data/all.csv", "--dev-files", "/data/all.csv", "--n-hidden", "32", "--epochs", "2",
         "--lm-text", "transcripts", "--lm-order", "2", "--lm-prune", "0", "--lm-memory", "100M"]


def docker(*arguments, check=True):
    done = subprocess.run(["docker", "run", "--rm", *map(str, arguments)], capture_output=True, text=True, timeout=600, check=False)
    if check:
        assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """/data of user 1234 with twenty clips that only look like speech."""
    folder = tmp_path_factory.mktemp("stt")
    rows = ["wav_filename,wav_filesize,transcript,speaker"]
    for i in range(20):
        text, hertz = list(TONES.items())[i % 4]
        with wave.open(str(folder / f"{i}.wav"), "wb") as out:
            out.setparams((1, 2, 16000, 0, "NONE", ""))
            out.writeframes(b"".join(struct.pack("<h", int(9000 * math.sin(t * hertz * 2 * math.pi / 16000))) for t in range(16000)))
        rows.append(f"{i}.wav,0,{text},s{i % 5}")
    (folder / "all.csv").write_text("\n".join([*rows, "none.wav,0,low,s1"]) + "\n")
    folder.chmod(0o755)
    for path in (folder, *folder.iterdir()):
        os.chown(path, 1234, 1234)
    return folder


def test_gives_a_package_and_then_has_nothing_to_do(data):
    mount = ["--user", "1234:1234", "--read-only", "--tmpfs", "/tmp", "-v", f"{data}:/data", IMAGE]
    told = docker(*mount, *TRAIN).stderr
    assert "1 set aside: no such file" in told
    folder = next((data / "output").iterdir())
    names = {p.name for p in folder.iterdir()}
    assert {"output_graph.pb", "output_graph.pbmm", "output_graph.tflite", "kenlm.scorer", "alphabet.txt", "experiment.json"} <= names
    figures = json.loads((folder / "experiment.json").read_text())["figures"]["dev"]
    assert {"deepspeech", "deepspeech-tflite", "stt", "deepspeech with scorer", "stt with scorer"} <= set(figures)
    assert all(found["clips"] == 20 for found in figures.values())
    assert "Nothing to do" in docker(*mount, *TRAIN).stderr
    # another weight of the language model packs the scorer and tests again, and nothing else
    told = docker("-e", "LM_ALPHA=1.2", *mount, *TRAIN).stderr
    assert "scorer: runs again, changed: alpha 0.931289039105002 -> 1.2" in told
    assert "train_speech: " not in told
    assert "language_model: " not in told


def test_holds_no_compiler_and_faults_are_one_line(data):
    assert docker(IMAGE, "sh", "-c", "command -v g++ cmake make || echo none").stdout.strip() == "none"
    done = docker("-v", f"{data}:/data:ro", IMAGE, "trainer", "stt", "train", "--train-files", "/data/other.csv", check=False)
    assert done.returncode == 1
    assert done.stderr.count("ERROR") == 1
