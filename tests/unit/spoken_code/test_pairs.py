"""Pairs of spoken text and code, and the vocabulary that they are numbered with."""

import importlib.util
import json
import random
from pathlib import Path

import pytest

from trainer.errors import UserError
from trainer.spoken_code import grammar, languages, pairs, parallel, snippets, tokens, vocabulary
from trainer.spoken_code.files import SourceText
from trainer.spoken_code.pairs import AUTO_STYLE, KINDS, LANGUAGE_MODEL, PARSER
from trainer.spoken_code.place import Place
from trainer.spoken_code.vocabulary import UNKNOWNS
from trainer.store import _join, _write_chunk

_spec = importlib.util.spec_from_file_location("corpus", Path(__file__).with_name("test_corpus.py"))
_module = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_module)
SOURCES = _module.SOURCES


def pairs_of(name, kind, epoch=0):
    language = languages.table()[name]
    return list(pairs.pairs(SOURCES[name], f"{name}/file", language, epoch, 1, kind))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", SOURCES)
def test_every_language_gives_pairs_and_all_come_back(name, kind):
    found = [pair for epoch in range(6) for pair in pairs_of(name, kind, epoch)]
    assert len(found) > 5
    assert None not in found
    for pair in found:
        assert pair.output
        if kind == PARSER:
            assert grammar.allowed(pair.output)
            assert grammar.transcript(pair.output) == pair.input


@pytest.mark.parametrize("name", SOURCES)
def test_an_output_is_the_code_that_was_there(name):
    text = tokens.cleaned(SOURCES[name].decode())
    for pair in pairs_of(name, AUTO_STYLE):
        if pair.family == "insert":
            assert tokens.decode(pair.output.split()) == text[pair.start : pair.end]


def test_the_worked_examples_of_the_reference():
    source = b"def factorial(number):\n    if number <= 1:\n        return 1\n"
    source += b"    return number * factorial(number - 1)\n" * 8
    language = languages.table()["python"]
    found = [
        pair
        for epoch in range(40)
        for pair in pairs.pairs(source, "f.py", language, epoch, 1, AUTO_STYLE)
    ]
    written = {(p.input.split(" ENG ")[-1], p.output) for p in found if " ENG " in p.input}
    assert ("return one", "return SP 1") in written
    added = {(p.input.split(" SNIP_")[-1], p.output) for p in found if " SNIP_" in p.input}
    assert ("StatementList function factorial", "def SP factorial ( ) : I pass CRSR") in added
    assert any(p.input.startswith("CTX def SP factorial ( number ) : I if SP") for p in found)
    model = pairs.pairs(source, "f.py", language, 0, 1, LANGUAGE_MODEL)
    assert all("CTX" not in pair.input and "ENG" not in pair.input for pair in model)


def test_identifiers_farther_back_are_given_when_they_are_said():
    text = "int maxRetryCount = 0;\nint other = 1;\n" + "x = y;\n" * 40
    around = pairs.Surroundings.of(text)
    end = len(around.tokens.names)
    given = around.input("max retry count plus one", end, 35, added=False)
    assert given.startswith("max C retry C count CTX ")
    assert given.endswith(" ENG max retry count plus one")
    assert not around.input("max retry count", end, 10, added=False).startswith("max")


def test_pairs_are_the_same_each_time():
    assert pairs_of("python", AUTO_STYLE) == pairs_of("python", AUTO_STYLE)
    assert pairs_of("python", AUTO_STYLE) != pairs_of("python", AUTO_STYLE, epoch=1)


@pytest.mark.parametrize(
    ("phrase", "wanted"),
    [
        ("parameter count", "ParameterList"),
        ("int parameter count", "ParameterList"),
        ("public static method area", "MemberList"),
        ("return one", "StatementList"),
        ("foo bar", "StatementList"),
    ],
)
def test_the_list_that_a_phrase_adds_to(phrase, wanted):
    assert snippets.container(phrase) == wanted


def test_what_was_not_said_is_not_in_the_code():
    source = b"class A:\n    def area(self, width: int, name='x') -> int:\n        return 1\n"
    for i in range(50):
        for one in snippets.spoken(
            source, languages.table()["python"], random.Random(i), typed=True
        ):
            if one.text == "function area":
                assert " ".join(one.code) == "def SP area ( ) : I pass CRSR"


def test_trees_of_the_grammar_and_others():
    tree = grammar.tree(["<goTo> go line <number> five </number> </goTo>"])
    assert grammar.allowed(tree)
    assert grammar.transcript(tree) == "go line five"
    assert not grammar.allowed(tree.replace("goTo", "copy"))
    assert not grammar.allowed("<main> go </main>")
    added = grammar.tree(["<add> add <formattedText> function foo </formattedText> </add>"])
    assert grammar.written_text(added) == "add function foo"
    assert grammar.written_text(tree) == ""


def test_unknown_tokens_get_names_and_come_back():
    known = vocabulary.frequent(["a b a ENG", "c"], 3)
    assert known.names[:2] == ("</s>", "<unk>")
    assert known.lexicon == ("a", "ENG", "b")
    replaced, named = known.replaced("a zebra ENG zebra lion".split(), random.Random(1))
    assert replaced[1] == replaced[3] != replaced[4]
    assert {named[replaced[1]], named[replaced[4]]} == {"zebra", "lion"}
    x, y = known.numbered(["zebra", "a"], ["zebra"], random.Random(1))
    assert x[0] == y[0]
    assert known.names[x[0]] in UNKNOWNS
    assert known.numbered(["a"], ["zebra"], random.Random(1)) is None
    assert known.replaced([f"w{i}" for i in range(21)], random.Random(1)) is None


def test_lexicon_files(tmp_path):
    known = vocabulary.frequent(["x y y"], 5)
    vocabulary.write(known, tmp_path / "lexicon.txt")
    assert vocabulary.read(tmp_path / "lexicon.txt") == known


def test_parallel_files_leave_out_what_was_seen_in_training(tmp_path):
    gathered, out = tmp_path / "gathered", tmp_path / "out"
    rows = [SourceText("r", f"{i}.py", "python", SOURCES["python"] * 3, "") for i in range(4)]
    gathered.mkdir()
    texts = gathered / "chunks"
    texts.mkdir()

    def make(_, __):
        for row in rows:
            import numpy as np

            yield np.frombuffer(row.packed(), np.uint8), 0, -1

    _write_chunk(texts, make, None, 0)
    _join(texts, gathered, 1)
    splits = ["train", "train", "dev", "test"]
    record = {"files": [[i, split] for i, split in enumerate(splits)]}
    (gathered / "kept.json").write_text(json.dumps(record))
    out.mkdir()
    plan = parallel.PairsPlan(str(gathered), AUTO_STYLE, 4, 1)
    counts = parallel.write_pairs(out, plan, 1000, None)
    seen = set(zip(_phrases(out, "train"), _lines(out / "train.output"), strict=True))
    held = set(zip(_phrases(out, "test"), _lines(out / "test.output"), strict=True))
    assert seen
    assert not seen & held
    assert counts["test"]["seen_in_training"] > 0
    assert len(_lines(out / "test.place")) == len(_lines(out / "test.input"))


def _lines(path):
    return path.read_text().splitlines()


def _phrases(folder, split):
    rows = [line.split(" ") for line in _lines(folder / f"{split}.input")]
    return [" ".join(words[pairs.spoken_at(words) + 1 :]) for words in rows]


def test_a_place_in_a_file(tmp_path):
    path = tmp_path / "a.py"
    path.write_text("def f(x):\n    if x:\n\n    return x\n")
    place = Place.given(f"{path}:3")
    assert place.before == "def f(x):\n    if x:\n        "
    assert place.input("return one", False, 35)[-4:] == ["I", "ENG", "return", "one"]
    assert place.code("return SP 1 NL y".split()) == "return 1\n        y"
    assert place.errors("return 1", "python") == 0
    assert place.errors("return )", "python") > 0
    assert Place.given(f"{path}:1:4").before == "def "
    assert Place.given(str(path)).before.endswith("return x\n    ")
    assert Place("").input("x", False, 35) == ["CTX", "ENG", "x"]


@pytest.mark.parametrize(
    ("given", "told"), [("a.py:9", "no line 9"), ("a.py:1:80", "no 80"), ("b.py", "no such file")]
)
def test_places_that_are_not_there(tmp_path, given, told):
    (tmp_path / "a.py").write_text("x = 1\n")
    with pytest.raises(UserError, match=told):
        Place.given(str(tmp_path / given))


def test_errors_are_counted():
    place = Place("x = 1\ny = ", "\nz = 2\n", "3")
    assert place.errors(None, "python") == 0
    assert place.errors("f(1)", "python") == 0
    assert place.errors("f(1", "python") > 0
    assert place.errors("f(1,\n  2)", "python") == 0
    assert Place("x = (1\ny = )\n").errors(None, "python") > 0
    assert place.errors("anything (", "default") == 0


def test_a_long_file_is_read_near_the_place_only():
    inner = "".join(f"        value_{i} = call({i})\n" for i in range(2000))
    text = f"class A:\n    def f(self):\n{inner}"
    place = Place.at(text)
    whole = pairs.Surroundings.of(place.before)
    near = place.around.tokens.names
    assert len(near) < len(whole.tokens.names) / 2
    assert near == whole.tokens.names[-len(near) :]
    assert place.code("return SP x D D y".split()) == "return x\ny"


def test_tabs_before_a_column():
    assert Place.at("\tx = y", 1, 2).before == "    x"
