"""The folder of an engine, what is made with it, and the server, with a tiny untrained model."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import pytest
import yaml

from trainer.code_engine import evaluation, exporting, learning, prepared, serving, translation
from trainer.code_engine.engine import Engine, Hypothesis
from trainer.code_engine.settings import CodeEngineSettings
from trainer.code_engine.translation import Engines, joined, ranked, request
from trainer.errors import UserError
from trainer.metrics.retrieval import recalls
from trainer.models import transformer
from trainer.spoken_code.pairs import AUTO_STYLE, KINDS, LANGUAGE_MODEL, PARSER
from trainer.spoken_code.place import Place

CODE = "x y = NL SP I D ( ) : 1 return alpha beta gamma delta one two CTX ENG".split()


def corpus(folder, kind):
    """Parallel files with the tokens of CODE."""
    rng = np.random.default_rng(1)
    for split in ("train", "dev", "test"):
        lines = [" ".join(rng.choice(CODE, 12)) for _ in range(600)]
        if kind == AUTO_STYLE:
            lines = [f"CTX {line} ENG alpha beta" for line in lines]
        (folder / f"{split}.input").write_text("\n".join(lines) + "\n")
        (folder / f"{split}.output").write_text("\n".join(lines) + "\n")


def untrained(s, ready, out):
    """Random weights with fewer unknown names and blanks: some outputs are answers on every
    processor."""
    names = prepared.coder_in(ready, s.model).names
    spec = learning.spec_of(s, len(names))
    weights = transformer.weights_of(learning.model_of(spec, s.seed))
    unknown = [name.startswith("UNK") for name in names]
    weights["decoder_ff_logit_out_b"][0, unknown] -= 1.5
    blank = [name in ("NL", "SP", "I", "D") for name in names]
    weights["decoder_ff_logit_out_b"][0, blank] -= 4
    np.savez(out / learning.WEIGHTS, **weights)
    return out


@pytest.fixture(scope="module")
def engines(tmp_path_factory):
    found = {}
    for kind in KINDS:
        home = tmp_path_factory.mktemp(kind)
        corpus(home, kind)
        ready, out = home / "prepared", home / "engine"
        ready.mkdir()
        out.mkdir()
        s = CodeEngineSettings(
            model=kind, encoder_layers=1, decoder_layers=1, width=16, inner_width=32, lexicon=60
        )
        prepared.prepare(home, kind, 60, 1, ready)
        exporting.write(s, ["python"], ready, untrained(s, ready, home), out)
        found[kind] = out
    return found


def test_the_folder_has_the_references_names(engines):
    folder = engines[AUTO_STYLE]
    names = {p.name for p in folder.iterdir()}
    assert names >= {
        "model.npz", "vocab.yml", "python_auto_style_lexicon.txt", "config.yml", "tokens.txt", "v",
        "ctranslate2", "code-engine.tar.gz", "engine.json",
    }  # fmt: skip
    assert "vocab.spm" in {p.name for p in engines[LANGUAGE_MODEL].iterdir()}
    with tarfile.open(folder / "code-engine.tar.gz") as archive:
        assert set(archive.getnames()) == names - {
            "ctranslate2", "code-engine.tar.gz", "engine.json"
        }  # fmt: skip
    vocabulary = yaml.safe_load((folder / "vocab.yml").read_text())
    assert vocabulary["</s>"] == 0
    assert vocabulary["<unk>"] == 1
    assert vocabulary["UNK0"] == 2
    config = yaml.safe_load((folder / "config.yml").read_text())
    assert config["models"] == ["model.npz"]
    assert (config["beam-size"], config["max-length-factor"]) == (2, 3)
    with np.load(folder / "model.npz") as model:
        options = yaml.safe_load(bytes(model["special:model.yml"]).rstrip(b"\0"))
        assert options["transformer-postprocess"] == "dan"
        assert options["dim-vocabs"] == [len(vocabulary)] * 2
        assert model["Wpos"].shape == (512, 16)


def test_ctranslate2_agrees_with_keras(engines):
    for folder in engines.values():
        record = json.loads((folder / "engine.json").read_text())
        assert record["agreement"]["difference"] < 1e-4
        assert record["agreement"]["equal"] == record["agreement"]["inputs"] == 100


def test_outputs_with_names_of_nothing_are_left_out(engines):
    engine = Engine(engines[AUTO_STYLE])
    for one in engine.best("CTX x = 1 ENG alpha zebra".split(), 5):
        assert not any(token.startswith("UNK") for token in one.tokens)


def test_too_many_unknown_words_are_told(engines):
    engine = Engine(engines[AUTO_STYLE])
    with pytest.raises(UserError, match="over 20 words"):
        engine.best(["CTX", "ENG", *(f"word{i}" for i in range(21))], 1)


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda f: (f / "engine.json").unlink(), "no folder of a code engine"),
        (lambda f: (f / "engine.json").write_text("{"), "damaged"),
        (lambda f: (f / "engine.json").write_text("[]"), "damaged"),
        (lambda f: (f / "ctranslate2" / "int8" / "model.bin").unlink(), "missing"),
        (lambda f: (f / "vocab.yml").write_text("x"), "1 bytes instead of"),
    ],
)
def test_half_a_folder_is_refused(engines, tmp_path, damage, told):
    folder = tmp_path / "engine"
    shutil.copytree(engines[AUTO_STYLE], folder)
    damage(folder)
    with pytest.raises(UserError, match=told):
        Engine(folder)


def test_another_version_is_refused(engines, tmp_path):
    folder = tmp_path / "engine"
    shutil.copytree(engines[AUTO_STYLE], folder)
    record = json.loads((folder / "engine.json").read_text())
    (folder / "engine.json").write_text(json.dumps(record | {"format": 9}))
    with pytest.raises(UserError, match="of format 9"):
        Engine(folder)
    broken = folder / "ctranslate2" / "int8" / "model.bin"
    (folder / "engine.json").write_text(json.dumps(record))
    broken.write_bytes(bytes(broken.stat().st_size))
    with pytest.raises(UserError, match="cannot be loaded"):
        Engine(folder).best(["ENG"], 1)


def test_two_engines_of_a_kind_are_refused(engines):
    with pytest.raises(UserError, match="both auto-style"):
        Engines([engines[AUTO_STYLE], engines[AUTO_STYLE]])
    with pytest.raises(UserError, match="no auto-style of java"):
        Engines([engines[AUTO_STYLE]]).of(AUTO_STYLE, "java")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("add function foo", ("function foo", True)),
        ("Insert x equals one", ("x equals one", False)),
        ("return one", ("return one", False)),
        ("add", ("add", False)),
    ],
)
def test_what_a_text_asks_for(text, found):
    assert request(text) == found


def test_letters_are_joined_into_words():
    assert joined("h t t p server x".split()) == ["http", "server", "x"]
    assert joined("a b".split()) == ["ab"]


def test_code_that_parses_comes_first_if_it_is_nearly_as_likely():
    place = Place("def f():\n    ")
    found = [
        Hypothesis(("return", "SP", ")"), -1.0),
        Hypothesis(("return", "SP", "1"), -2.0),
        Hypothesis(("return", "SP", "1"), -2.5),
        Hypothesis(("SP",) * 9, -0.1),
    ]
    codes = ranked(found, place, "python")
    assert [one.code for one in codes] == ["return 1", "return )"]
    assert [one.valid for one in codes] == [True, False]
    far = [found[0], Hypothesis(("return", "SP", "1"), -9.5)]
    assert ranked(far, place, "python")[0].code == "return )"


def test_the_cursor_is_told():
    made = ranked([Hypothesis(tuple("if SP x : I CRSR D y".split()), -1.0)], Place(""), "python")
    assert made[0].code == "if x:\n    \ny"
    assert made[0].cursor == len("if x:\n    ")


def test_trees_must_be_of_the_grammar_and_of_the_words(engines, monkeypatch):
    engine = Engine(engines[PARSER])
    right = "<main> <commandChain> <command> <copy> copy </copy> </command> </commandChain> </main>"
    outputs = [right.replace("copy <", "cut <"), right, "<main> copy </main>"]
    monkeypatch.setattr(
        engine, "best", lambda *_: [Hypothesis(tuple(o.split()), -i) for i, o in enumerate(outputs)]
    )
    assert [one.tree for one in translation.parse(engine, "copy")] == [right]


def test_no_more_context_is_read_than_in_use():
    source = "max C count CTX a b c d ENG x y".split()
    assert evaluation.in_use(source, 35) == source
    assert evaluation.in_use(source, 2) == "CTX c d ENG x y".split()
    assert evaluation.in_use(source, 0) == "CTX ENG x y".split()
    assert evaluation.in_use("go to line".split(), 2) == "go to line".split()


def test_recall_with_intervals():
    found = recalls([0, 3, None, 7])
    assert found["recall@1"] == 0.25
    assert found["recall@5"] == 0.5
    assert found["recall@10"] == 0.75
    low, high = found["recall@1_interval"]
    assert low < 0.25 < high


def test_the_nearest_training_pair(tmp_path):
    (tmp_path / "train.input").write_text(
        "CTX ENG return one\nCTX ENG return two\nCTX x ENG return one\n"
    )
    (tmp_path / "train.output").write_text("return SP 1\nreturn SP 2\nreturn SP 1\n")
    nearest = evaluation.Nearest(tmp_path)
    assert nearest.output("return two") == "return SP 2"
    assert nearest.output("please return one") == "return SP 1"
    assert nearest.output("zebra") == ""


# --- the server, as a program


@pytest.fixture(scope="module")
def server(engines):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    given = [part for folder in engines.values() for part in ("--engine", str(folder))]
    command = [sys.executable, "-m", "trainer", "code-engine", "serve", "--port", str(port)]
    process = subprocess.Popen(
        [*command, *given],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path.cwd())},
    )
    address = f"http://127.0.0.1:{port}"
    for _ in range(300):
        try:
            httpx.get(f"{address}/api/status")
            break
        except httpx.TransportError:
            time.sleep(0.1)
            assert process.poll() is None, process.stderr.read()
    yield address
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0
    assert "requests were answered" in process.stderr.read()


def post(server, path, **body):
    return httpx.post(f"{server}/api/{path}", json=body)


def test_status_lists_the_models(server):
    found = httpx.get(f"{server}/api/status").json()
    assert found["status"] == "ok"
    assert {one["model"] for one in found["models"]} == set(KINDS)


def test_code_of_a_text_in_its_context(server):
    found = post(server, "translate", text="alpha", source="def f():\n\n", line=2, alternatives=3)
    assert found.status_code == 200
    first = found.json()["alternatives"][0]
    assert {"code", "cursor", "cost", "valid", "tokens"} <= set(first)


def test_the_references_form_of_requests(server):
    found = post(server, "translate", model="auto-style", sentences=["CTX ENG alpha"] * 2)
    assert len(found.json()["results"]) == 2
    assert found.json()["results"][0][0]["score"] < 0
    pairs = [{"input": "x = NL", "output": "alpha beta"}]
    assert post(server, "rescore", pairs=pairs).json()["scores"][0] < 0
    assert len(post(server, "rescore", texts=["alpha", "beta"], source="x").json()["costs"]) == 2
    assert post(server, "parse", text="copy").json() == {"alternatives": []}


@pytest.mark.parametrize(
    ("path", "body", "status", "told"),
    [
        ("translate", {"text": ""}, 400, "no tokens"),
        ("translate", {"text": "x " * 300}, 400, "at most 200"),
        ("translate", {"text": 5}, 400, "text: a text is needed"),
        ("translate", {}, 400, "text: a text is needed"),
        ("translate", {"text": "x", "line": 99, "source": "a\nb"}, 400, "no line 99"),
        ("translate", {"text": "x", "line": -1}, 400, "line: a number"),
        ("translate", {"text": "x", "alternatives": 9999}, 400, "alternatives: a number"),
        ("translate", {"text": "x", "language": "java"}, 400, "no auto-style of java"),
        ("translate", {"sentences": "x"}, 400, "a list of 1 to 64"),
        ("translate", {"sentences": [[1]]}, 400, "a list of texts"),
        ("translate", {"sentences": ["x"] * 65}, 400, "a list of 1 to 64"),
        ("translate", {"text": " ".join(f"q{i}" for i in range(30))}, 400, "over 20 words"),
        ("rescore", {"pairs": [5]}, 400, "an input and an output"),
        ("rescore", {"pairs": []}, 400, "a list of 1"),
    ],
)
def test_bad_requests_are_answered_in_a_line(server, path, body, status, told):
    found = httpx.post(f"{server}/api/{path}", json=body)
    assert found.status_code == status, found.text
    assert told in found.json()["error"]


def test_requests_that_are_no_json_or_too_large(server):
    address = f"{server}/api/translate"
    assert httpx.post(address, content=b"\xff\x00{").status_code == 400
    assert httpx.post(address, content=b"[1]").status_code == 400
    assert httpx.post(address, content=b"[" * 100_000).status_code == 400
    assert httpx.post(address, content=b"x" * 10_000_000).status_code == 413

    def parts():
        for _ in range(40):
            yield b" " * 100_000

    assert httpx.post(address, content=parts()).status_code == 413
    assert httpx.get(address).status_code == 405
    assert httpx.get(f"{server}/api/none").status_code == 404


def test_eight_clients_at_once_get_all_their_answers(server):
    with httpx.Client() as client, ThreadPoolExecutor(8) as pool:

        def ask(number):
            body = {"text": f"alpha {number}", "source": "x = 1\n"}
            return client.post(f"{server}/api/translate", json=body).status_code

        assert set(pool.map(ask, range(64))) == {200}


def test_answers_that_take_too_long_are_given_up(engines):
    from starlette.testclient import TestClient

    slow = serving.Server(Engines([engines[AUTO_STYLE]]), 1, 0.05)
    slow._translate = lambda given: time.sleep(0.5)
    with TestClient(slow.app()) as client:
        found = client.post("/api/translate", json={"text": "x"})
    assert found.status_code == 504
    assert "0.05 s" in found.json()["error"]


def test_a_port_in_use_is_told(server, engines):
    port = server.rsplit(":", 1)[1]
    done = subprocess.run(
        [sys.executable, "-m", "trainer", "code-engine", "serve", "--port", port, "--engine",
         str(engines[AUTO_STYLE])],
        capture_output=True, text=True, timeout=60, check=False,
        env={**os.environ, "PYTHONPATH": str(Path.cwd())},
    )  # fmt: skip
    assert done.returncode == 1
    assert f"port {port}" in done.stderr
