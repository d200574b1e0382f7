"""Figures of recognition, and commands that sound alike."""

import pytest

from trainer.errors import UserError
from trainer.metrics.error_rate import aligned
from trainer.speech_engine import alike, evaluation, ngrams, report, spoken
from trainer.speech_engine.acoustics import Alternative, find, pocketsphinx
from trainer.speech_engine.spoken import Command


def heard(*texts):
    return [Alternative(text, float(i), 0.0, 0.0, 0.5) for i, text in enumerate(texts)]


COMMANDS = [
    Command("edit", "delete line", "v"),
    Command("edit", "copy line", "v"),
    Command("navigate", "go to five", "v"),
    Command("navigate", "go to nine", "v"),
]
FOUND = [
    heard("delete line"),
    heard("coffee line", "copy line"),
    heard("go to nine", "go five", "go to five"),
    [],
]


def test_figures():
    found = evaluation.figures(COMMANDS, FOUND)
    assert found["wer"] == pytest.approx((0 + 1 + 1 + 3) / 10)
    assert (found["recall@1"], found["recall@5"]) == (0.25, 0.75)
    assert found["recall@1_interval"][0] < 0.25 < found["recall@1_interval"][1]
    assert found["families"]["edit"]["wer"] == pytest.approx(0.25)
    assert found["families"]["navigate"]["clips"] == 2


def test_confusions():
    assert evaluation.confusions(COMMANDS, FOUND) == [("copy", "coffee", 1), ("five", "nine", 1)]


def test_aligned_words():
    pairs = aligned("a b c d".split(), "a x c".split())
    assert pairs == [("d", ""), ("c", "c"), ("b", "x"), ("a", "a")]


def test_hints():
    before = [heard("add cue"), heard("add zebra")]
    after = [heard("add kubelet"), heard("add zebra")]
    others = [heard("go to kubelet"), heard("copy"), [], heard("x")]
    found = evaluation.hint_figures(
        ["kubelet", "qsort"], before, after, others, ["kubelet", "qsort"]
    )
    assert (found["found_without"], found["found"], found["wrong"]) == (0.0, 0.5, 0.25)


def test_commands_that_sound_alike():
    pairs = alike.pairs(pocketsphinx.dictionary(pocketsphinx._home() / "cmudict-en-us.dict"))
    assert len(pairs) == alike.PAIRS
    distances = [distance for _, _, distance in pairs]
    assert distances == sorted(distances)
    assert distances[0] < 0.35
    known = alike.fixed_commands()
    assert all(known[a] != known[b] for a, b, _ in pairs)


def test_classes_and_own_text(tmp_path):
    assert ngrams.in_classes("add foo bar", {"add", "bar"}) == "add #hint bar"
    (tmp_path / "own.txt").write_text("Add Function, Foo!\n\n# 42\n")
    assert list(ngrams.own_lines([tmp_path / "own.txt"])) == ["add function foo"]
    with pytest.raises(UserError, match="no such file"):
        list(ngrams.own_lines([tmp_path / "none"]))


def test_drawn_commands(tmp_path):
    path = tmp_path / "test.txt"
    rows = [f"text\tinsert value {word}" for word in ("alpha", "beta", "gamma", "zorbix")]
    path.write_text("\n".join([*rows, rows[0], "session\tcancel"]) + "\n")
    drawn = spoken.drawn(path, 10, 1)
    assert {one.text for one in drawn} == {row.split("\t")[1] for row in rows}
    assert spoken.drawn(path, 10, 1) == drawn
    known = {"insert", "value", "alpha", "beta", "gamma"}
    assert [word for _, word in spoken.with_unknown(path, known, 5, 1)] == ["zorbix"]


def test_every_runtime_that_is_missing_has_a_reason():
    kinds = [find("pocketsphinx").kind, "letters", "onnx"]
    there = {"pocketsphinx": "pocketsphinx", "letters": "deepspeech", "onnx": "sherpa"}
    for kind in kinds:
        for runtime in report.RUNTIMES:
            assert runtime == there[kind] or report.WHY_NOT[runtime, kind]
