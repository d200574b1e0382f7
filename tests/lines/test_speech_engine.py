"""The speech engine's line, tiny, up to the lexicon: what needs no KenLM. The image tests go on."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from trainer.speech_engine import line as of_command  # noqa: F401  (what the command runs)
from trainer.speech_engine import pipeline  # noqa: F401

TREE = Path(__file__).parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(TREE)}
SMALL = ["--g2p-words", "400", "--lm-words", "600", "--workers", "2"]
MIT = (
    "MIT License\n\nPermission is hereby granted, free of charge, to any person obtaining a copy\n"
)


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """Our own code as a repository."""
    home = tmp_path_factory.mktemp("sources") / "project"
    shutil.copytree(TREE / "trainer" / "stt", home / "stt", ignore=shutil.ignore_patterns("__py*"))
    (home / "LICENSE").write_text(MIT)
    (home / "page.js").write_text(
        "".join(f"export function area{i}(width) {{\n  return width * {i};\n}}\n" for i in range(9))
    )
    return home


def command(data, sources, *more, stage="lexicon"):
    options = ["--data-dir", data, "--sources", sources, *SMALL, *more]
    return [sys.executable, "-m", "trainer", "speech-engine", stage, *map(str, options)]


def run(*given, **more):
    done = subprocess.run(
        command(*given, **more),
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return done.returncode, done.stderr


def files_of(data, step):
    folder = next(p for p in (data / "work" / "speech_engine" / step).iterdir() if p.is_dir())
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.name not in ("step.json", "used")}


@pytest.fixture(scope="module")
def made(sources, tmp_path_factory):
    data = tmp_path_factory.mktemp("made")
    code, text = run(data, sources)
    assert code == 0, text
    return data, text


def test_commands_and_words(made):
    data, text = made
    assert "lexicon: 600 words" in text
    corpus = files_of(data, "corpus")
    lines = corpus["train.txt"].decode("ascii").splitlines()
    assert len(lines) > 5000
    assert any("\tadd function" in line for line in lines)
    assert corpus["test.txt"]
    words = files_of(data, "lexicon")
    assert b"paren P ER EH N\n" in words["lexicon.txt"]
    assert words["review.csv"].startswith(b"word,pronunciation,source,confidence,count")


def test_again_nothing_is_made(made, sources):
    data, _ = made
    code, text = run(data, sources)
    assert code == 0
    assert "Nothing to do" in text


def test_killed_runs_go_on_to_the_same_bytes(made, sources, tmp_path):
    data, _ = made
    for seconds in (1.5, 2.5, 3.5, 5.0):
        process = subprocess.Popen(
            command(tmp_path, sources), env=ENVIRONMENT, stderr=subprocess.DEVNULL
        )
        time.sleep(seconds)
        process.send_signal(signal.SIGKILL)
        process.wait()
    code, text = run(tmp_path, sources, "--workers", "1")
    assert code == 0, text
    for step in ("gather", "corpus", "g2p", "lexicon"):
        wanted, found = files_of(data, step), files_of(tmp_path, step)
        assert {n: found[n] for n in wanted if n != "data.raw"} == {
            n: b for n, b in wanted.items() if n != "data.raw"
        }, step


def test_corrections_change_the_lexicon_alone(made, sources, tmp_path):
    data, _ = made
    shutil.copytree(data, tmp_path / "data")
    (tmp_path / "data" / "lexicon").mkdir()
    (tmp_path / "data" / "lexicon" / "python.csv").write_text("word,pronunciation\nself,S AH L F\n")
    code, text = run(tmp_path / "data", sources)
    assert code == 0
    assert "lexicon: runs again" in text
    assert "corpus" not in text.split("Training Summary")[0].replace("corpus_", "")
    found = [
        p.read_text() for p in (tmp_path / "data" / "work").rglob("lexicon.txt") if p.is_file()
    ]
    assert any("self S AH L F\n" in one for one in found)


@pytest.mark.parametrize(
    ("sources_given", "more", "message"),
    [
        ("", [], "SOURCES is empty"),
        ("/nowhere", [], "SOURCES: /nowhere: no such file or folder"),
        ("HERE", ["--languages", "cobol"], "no grammar for cobol"),
        ("HERE", ["--languages", "rust"], "no file of these languages"),
        ("HERE", ["--acoustic-model", "/nowhere"], "neither pocketsphinx nor a folder"),
        ("HERE", ["--licences", "Apache-2.0"], "no file with a permissive licence"),
        ("HERE", ["--test-files", "/nowhere.csv"], "TEST_FILES: /nowhere.csv: no such file"),
        ("HERE", ["--lm-text", "/nowhere.txt"], "LM_TEXT: /nowhere.txt: no such file"),
        ("https://example.org/a.tar.gz", [], "DOWNLOAD=1"),
    ],
)
def test_bad_input_is_one_line(sources, tmp_path, sources_given, more, message):
    code, text = run(tmp_path, str(sources) if sources_given == "HERE" else sources_given, *more)
    errors = [line for line in text.splitlines() if line.startswith("ERROR")]
    assert code == 1
    assert len(errors) == 1, text
    assert message in errors[0]
    assert "Traceback" not in text
