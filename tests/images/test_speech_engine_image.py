"""Speech engines in the train image: the whole line, again, killed, and in the runtimes."""

import json
import os
import random
import shutil
import subprocess
import time

import pytest

IMAGE = "voicekiln/train"
SMALL = [
    "--test-mode", "--corpus-lines", "20000", "--g2p-words", "1500", "--lm-words", "1500",
    "--evaluation-commands", "8",
]  # fmt: skip
LINE = ["train_speech_engine", *SMALL]
VOLATILE = ("experiment.json", "training.log")


def docker(home, *arguments, check=True, name=None):
    given = ["docker", "run", "--rm", *(["--name", name] if name else [])]
    done = subprocess.run(
        [*given, "--network", "none", "-v", f"{home}:/data", IMAGE, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    if check:
        assert done.returncode == 0, done.stdout + done.stderr
    return done


def new_home(path):
    path.mkdir()
    os.chown(path, 999, 999)
    return path


def engine_of(home):
    return max((home / "output").glob("*speech-engine*"))


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = new_home(tmp_path_factory.mktemp("speech") / "data")
    found = docker(home, *LINE)
    assert "synthesized, domain: WER" in found.stderr
    return home


def test_what_the_user_gets(home):
    engine = engine_of(home)
    assert engine.name.endswith("speech-engine-python")
    there = {str(p.relative_to(engine)) for p in engine.rglob("*") if p.is_file()}
    assert there >= {
        "v", "graph/words.txt", "graph/phones/disambig.int", "lang/lexicon.txt", "lang/phones.txt",
        "lang/search.binary", "lang/rescore.binary", "g2p/model.fst", "pocketsphinx/commands.dict",
        "pocketsphinx/commands.lm", "pocketsphinx/acoustic/mdef", "engine.json", "README.md",
        "report.html", "review.csv", "rejected.csv", "lexicon.csv", "figures.json", "clips.json",
    }  # fmt: skip
    figures = json.loads((engine / "figures.json").read_text())
    found = figures["sets"]["synthesized"]
    assert found["domain"]["wer"] <= found["general"]["wer"]  # of eight commands only
    assert figures["runtimes"]["pocketsphinx"]["wer"] < 1
    assert len(figures["alike"]) == 50


def test_again_nothing_is_done_and_text_of_ones_own_changes_what_depends_on_it(home):
    assert "Nothing to do" in docker(home, *LINE).stderr
    (home / "own.txt").write_text("deploy the kubelet now\nopen the gate\n" * 20)
    found = docker(home, *LINE, "--lm-text", "/data/own.txt").stderr
    assert "ngrams: runs again" in found
    for step in ("gather", "corpus", "g2p"):
        assert f"{step}: starting" not in found
        assert f"{step}: runs again" not in found


def test_hints_in_a_recording(home):
    first = min((home / "output").glob("*speech-engine*"))  # without text that has the word
    engine = f"/data/output/{first.name}"
    speak = "flite -voice slt -t 'add function kubelet' -o /data/said.wav"
    docker(home, "sh", "-c", speak)
    call = ["trainer", "speech-engine", "transcribe", "--engine", engine]
    without = docker(home, *call, "/data/said.wav").stdout
    (home / "names.txt").write_bytes("startKubelet caf\xe9\n".encode("latin-1"))
    found = docker(home, *call, "--hints", "/data/names.txt", "/data/said.wav").stdout
    assert "kubelet" not in without
    assert "kubelet" in found
    listed = docker(home, *call, "--json", "--alternatives", "5", "/data/said.wav").stdout
    assert json.loads(listed)["alternatives"][0]["confidence"] > 0
    bad = docker(home, *call, "/data/none.wav", check=False)
    assert bad.returncode == 1
    assert "none.wav" in bad.stderr


def test_killed_five_times_the_folder_is_the_same(home, tmp_path):
    again = new_home(tmp_path / "data")
    rng = random.Random(3)
    for n in range(5):
        name = f"voicekiln-speech-{os.getpid()}-{n}"
        process = subprocess.Popen(
            ["docker", "run", "--rm", "--name", name, "-v", f"{again}:/data", IMAGE, *LINE],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(rng.uniform(4, 15))
        subprocess.run(["docker", "kill", name], capture_output=True, check=False)
        process.wait()
    docker(again, *LINE)
    first, second = min((home / "output").glob("*speech-engine*")), engine_of(again)
    names = {str(p.relative_to(first)) for p in first.rglob("*") if p.is_file()}
    assert names == {str(p.relative_to(second)) for p in second.rglob("*") if p.is_file()}
    different = [
        name
        for name in sorted(names)
        if name not in VOLATILE and (first / name).read_bytes() != (second / name).read_bytes()
    ]
    assert not different


def test_docker_stop_ends_within_ten_seconds(tmp_path):
    home, name = new_home(tmp_path / "data"), f"voicekiln-stop-{os.getpid()}"
    process = subprocess.Popen(
        ["docker", "run", "--name", name, "-v", f"{home}:/data", IMAGE, *LINE],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    time.sleep(8)
    start = time.monotonic()
    subprocess.run(["docker", "stop", name], capture_output=True, check=True)
    assert time.monotonic() - start < 9
    assert process.wait() == 143
    subprocess.run(["docker", "rm", name], capture_output=True, check=False)


def test_letters_of_a_speech_to_text_run(home, tmp_path):
    """An acoustic model of ours that has learned next to nothing still gives an engine that
    DeepSpeech loads."""
    data = new_home(tmp_path / "data")
    letters = "abcdefghijklmnopqrstuvwxyz"
    rows = ["wav_filename,wav_filesize,transcript"]
    for n in range(6):
        text = f"{letters[:13] if n % 2 else letters[13:]} go"
        rows.append(f"/data/{n}.wav,1,{text}")
    script = "; ".join(
        f"flite -voice slt -t 'delete line {n} and go to the end' -o /data/{n}.wav"
        for n in range(6)
    )
    docker(data, "sh", "-c", script)
    (data / "all.csv").write_text("\n".join(rows) + "\n")
    files = ["--train-files", "/data/all.csv", "--dev-files", "/data/all.csv"]
    stt = ["trainer", "stt", "export", *files, "--n-hidden", "32", "--epochs", "1"]
    docker(data, *stt)
    run = next((data / "work" / "stt" / "export").iterdir())
    run = next(p for p in run.parent.iterdir() if (p / "alphabet.txt").exists())
    work = home / "work"
    shutil.copytree(work, data / "work", dirs_exist_ok=True, symlinks=True)
    subprocess.run(["chown", "-R", "999:999", str(data)], check=True)
    model = f"/data/work/stt/export/{run.name}"
    docker(
        data, *LINE, "--acoustic-model", model, "--lm-words", "500", "--evaluation-commands", "3"
    )
    engine = engine_of(data)
    figures = json.loads((engine / "figures.json").read_text())
    assert figures["runtimes"]["deepspeech"]["clips"] == 3
    assert (engine / "deepspeech" / "kenlm.scorer").exists()
    assert (engine / "graph" / "TLG.fst").exists()
