"""The code engine's line, tiny, as its users run it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from trainer.code_engine import line, translating
from trainer.code_engine.engine import Engine
from trainer.errors import UserError
from trainer.spoken_code.pairs import AUTO_STYLE, LANGUAGE_MODEL, PARSER

TINY = {
    "language": "python", "licences": "any", "steps": 60, "validate_every": 20, "lexicon": 200,
    "encoder_layers": 1, "decoder_layers": 1, "width": 32, "inner_width": 64,
    "evaluation_pairs": 20, "batch_tokens": 1000, "learning_rate": 0.01,
}  # fmt: skip
CODE = '''\
def area_{n}(width, height):
    """The area of a shape."""
    if width <= {n}:
        return None
    # the usual case
    total = width * height
    print(total, "shape {n}")
    return total + {n}


class Shape{n}(Base):
    def move(self, left, right={n}):
        self.left = left
        for item in self.items:
            item.move(left, right)
        return self
'''


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = tmp_path_factory.mktemp("code")
    for n in range(40):
        folder = home / "repos" / f"part{n % 8}"
        folder.mkdir(parents=True, exist_ok=True)
        extra = "".join(f"value_{i} = call({n}, {i})\n" for i in range(n))
        (folder / f"shape{n}.py").write_text(CODE.replace("{n}", str(n)) + extra)
    return home


def options(home, **more):
    return {**TINY, "sources": str(home / "repos"), "data_dir": str(home / "data"), **more}


@pytest.fixture(scope="module")
def made(home):
    return line.run(options(home, model=AUTO_STYLE))


def test_a_width_that_heads_cannot_share_is_told_before_the_corpus(home):
    for width, heads in ((33, 3), (30, 4)):
        with pytest.raises(UserError, match="not a multiple of 2 and of HEADS"):
            line.run(options(home, model=AUTO_STYLE) | {"width": width, "heads": heads})


def test_what_the_user_gets(made):
    names = {p.name for p in made.folder.iterdir()}
    assert made.folder.name.endswith("code-engine-python-auto-style")
    assert names >= {
        "model.npz", "vocab.yml", "python_auto_style_lexicon.txt", "config.yml", "tokens.txt", "v",
        "ctranslate2", "code-engine.tar.gz", "engine.json", "README.md", "report.html",
        "figures.json", "rejected.csv", "experiment.json", "metrics.jsonl", "training.log",
    }  # fmt: skip
    found = made.figures["groups"]["all"]
    assert found["pairs"] == 20
    assert 0 <= found["recall@1"] <= found["recall@10"] <= 1
    assert set(made.figures["baselines"]) == {
        "words as code, by rules alone", "nearest training pair",
    }  # fmt: skip
    card = (made.folder / "README.md").read_text()
    assert "| repository |" in card
    assert "int8" in (made.folder / "report.html").read_text()
    losses = [json.loads(one) for one in (made.folder / "metrics.jsonl").read_text().splitlines()]
    assert losses[-1]["dev_loss"] < losses[0]["dev_loss"]


def test_again_nothing_is_made(home, made):
    again = line.run(options(home, model=AUTO_STYLE))
    assert not again.made
    assert again.folder == made.folder


def test_what_is_written_has_the_score_that_it_is_given(made):
    engine = Engine(made.folder, kind="float32")
    source = "CTX x SP = NL ENG return width".split()
    found = [one for one in engine.best(source, 3) if len(one.tokens) < 75]
    again = engine.scores(source, [one.tokens for one in found])
    assert again == pytest.approx([one.score for one in found], abs=0.1)  # <unk> is never written


def trainer(*arguments, text=None, check=True):
    return subprocess.run(
        [sys.executable, "-m", "trainer", "code-engine", *map(str, arguments)],
        input=text,
        capture_output=True,
        text=True,
        check=check,
        env={**os.environ, "PYTHONPATH": str(Path.cwd())},
    )


def test_texts_are_translated_in_their_context(home, made):
    place = f"{home}/repos/part1/shape1.py:5"
    call = ["translate", "--engine", made.folder, "--context", place]
    assert trainer(*call, text="return total\n\nadd function area\n").stdout
    listed = trainer(*call, "--json", "--alternatives", 5, "return width").stdout
    found = json.loads(listed)
    assert found["text"] == "return width"
    assert len(found["alternatives"]) <= 5
    assert {"code", "cost", "valid", "cursor", "tokens"} == set(found["alternatives"][0])
    plain = trainer(*call, "--alternatives", 3, "return width").stdout.splitlines()
    assert all(one.split("\t")[1] in ("valid", "not valid") for one in plain)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--context", "none.py"], "none.py: no such file"),
        (["--context", "{file}:999"], "no line 999"),
        (["--language", "java"], "no auto-style of java"),
        ([], "over 20 words"),
    ],
)
def test_what_cannot_be_translated_is_told_in_a_line(home, made, arguments, told):
    given = [one.format(file=home / "repos/part1/shape1.py") for one in arguments]
    words = " ".join(f"q{chr(97 + i)}" for i in range(25))
    done = trainer("translate", "--engine", made.folder, *given, words, check=False)
    assert done.returncode == 1
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_recordings_that_are_not_there(made):
    loaded = translating.Loaded([made.folder], "", "", 1)
    with pytest.raises(UserError, match="give recordings"):
        list(loaded.of_recordings(made.folder, []))
    with pytest.raises(UserError, match="none.wav: no such file"):
        list(loaded.of_recordings(made.folder, [Path("none.wav")]))


def test_the_other_models(home):
    parser = line.run(options(home, model=PARSER))
    found = parser.figures["groups"]["all"]
    assert found["recall@1"] <= 1
    model = line.run(options(home, model=LANGUAGE_MODEL))
    assert (model.folder / "vocab.spm").exists()
    assert model.figures["groups"]["all"]["recall@10"] == 1  # of ten candidates
    both = trainer(
        "translate", "--engine", parser.folder, "--engine", model.folder, "--json", "copy line five"
    )
    assert json.loads(both.stdout)["text"] == "copy line five"


def test_a_language_without_enough_pairs_and_wrong_settings(home, tmp_path):
    few = tmp_path / "few"
    few.mkdir()
    (few / "one.py").write_text(CODE.replace("{n}", "1"))
    more = {"data_dir": str(tmp_path / "data")}
    with pytest.raises(UserError, match="pairs to train on"):
        line.run(options(home, sources=str(few), **more))
    with pytest.raises(UserError, match="is of one language"):
        line.run(options(home, language="python,java", **more))
    for name, value in (("profile", "smaller"), ("model", "auto-styles")):
        with pytest.raises(UserError, match=name.upper()):
            line.run(options(home, **{name: value}, **more))
    with pytest.raises(UserError, match="no file of java"):
        line.run(options(home, language="java", **more))
    with pytest.raises(UserError, match="multiple of 2 and of HEADS"):
        line.run(options(home, width=30, heads=4, **more))
