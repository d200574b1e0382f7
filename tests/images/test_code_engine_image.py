"""Code engines in the train image: the whole line, again, killed, translated, served."""

import json
import os
import random
import subprocess
import time
import urllib.error
import urllib.request

import pytest

IMAGE = "voicekiln/train"
SMALL = [
    "--test-mode", "--corpus-pairs", "5000", "--steps", "40", "--encoder-layers", "1",
    "--decoder-layers", "1", "--evaluation-pairs", "10", "--validate-every", "20",
]  # fmt: skip
LINE = ["train_code_engine", "--model", "auto-style", "--language", "javascript", *SMALL]
PORT = 17203


def docker(home, *arguments, check=True, text=None, more=("--network", "none")):
    done = subprocess.run(
        ["docker", "run", "--rm", "-i", *more, "-v", f"{home}:/data", IMAGE, *map(str, arguments)],
        capture_output=True,
        text=True,
        input=text,
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


def engine_of(home, kind="auto-style"):
    return max((home / "output").glob(f"*code-engine*{kind}"))


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = new_home(tmp_path_factory.mktemp("code") / "data")
    found = docker(home, *LINE)
    assert "the code in the image is the source" in found.stderr
    return home


def test_what_the_user_gets(home):
    engine = engine_of(home)
    there = {str(p.relative_to(engine)) for p in engine.rglob("*") if p.is_file()}
    assert there >= {
        "v", "model.npz", "vocab.yml", "config.yml", "tokens.txt", "engine.json",
        "javascript_auto_style_lexicon.txt", "code-engine.tar.gz", "ctranslate2/int8/model.bin",
        "ctranslate2/float32/model.bin", "README.md", "report.html", "figures.json", "rejected.csv",
    }  # fmt: skip
    assert "| MIT |" in (engine / "README.md").read_text()
    agreement = json.loads((engine / "engine.json").read_text())["agreement"]
    assert agreement["difference"] < 1e-4


def test_again_nothing_is_done(home):
    assert "Nothing to do" in docker(home, *LINE).stderr


def test_the_other_models(home):
    for kind in ("contextual-language-model", "transcript-parser"):
        docker(home, "train_code_engine", "--model", kind, "--language", "python", *SMALL)
        assert (engine_of(home, kind) / "model.npz").exists()


def test_a_text_is_translated(home):
    (home / "file.js").write_text("function area(width) {\n\n}\n")
    engine = f"/data/output/{engine_of(home).name}"
    call = ["trainer", "code-engine", "translate", "--engine", engine]
    found = docker(home, *call, "--context", "/data/file.js:2", "--json", text="return one\n")
    assert json.loads(found.stdout)["text"] == "return one"
    bad = docker(home, *call, "--context", "/data/file.js:99", check=False, text="return one\n")
    assert bad.returncode == 1
    assert "no line 99" in bad.stderr


def test_the_server_answers_and_stops(home):
    name = f"voicekiln-code-{os.getpid()}"
    engine = f"/data/output/{engine_of(home).name}"
    process = subprocess.Popen(
        ["docker", "run", "--rm", "--name", name, "--network", "host", "-v", f"{home}:/data", IMAGE,
         "trainer", "code-engine", "serve", "--engine", engine, "--port", str(PORT)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    address = f"http://127.0.0.1:{PORT}/api"
    try:
        for _ in range(120):
            try:
                status = urllib.request.urlopen(f"{address}/status").read()
                break
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.5)
        assert json.loads(status)["status"] == "ok"
        body = json.dumps({"text": "return one", "source": "x = 1\n"}).encode()
        answer = json.loads(urllib.request.urlopen(f"{address}/translate", body).read())
        assert "alternatives" in answer
        with pytest.raises(urllib.error.HTTPError, match="400"):
            urllib.request.urlopen(f"{address}/translate", b"{")
    finally:
        start = time.monotonic()
        subprocess.run(["docker", "stop", name], capture_output=True, check=False)
        assert process.wait(30) == 0
        assert time.monotonic() - start < 9


def test_killed_five_times_the_weights_are_the_same(home, tmp_path):
    again = new_home(tmp_path / "data")
    rng = random.Random(3)
    for n in range(5):
        name = f"voicekiln-code-{os.getpid()}-{n}"
        process = subprocess.Popen(
            ["docker", "run", "--rm", "--name", name, "-v", f"{again}:/data", IMAGE, *LINE],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(rng.uniform(5, 22))
        subprocess.run(["docker", "kill", name], capture_output=True, check=False)
        process.wait()
    docker(again, *LINE)
    for name in ("model.npz", "code-engine.tar.gz", "ctranslate2/int8/model.bin"):
        assert (engine_of(again) / name).read_bytes() == (engine_of(home) / name).read_bytes(), name
