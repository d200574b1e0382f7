"""Every language's folder: the examples of its rules and the output of its scripts."""

from pathlib import Path

import pytest

from trainer.corpora import readers
from trainer.errors import UserError
from trainer.settings import load
from trainer.stt.gathering import script_variables
from trainer.stt.settings import SpeechSettings
from trainer.text import language as languages

CODES = languages.codes()


def test_the_shipped_ones_are_there():
    assert {"fr", "en", "kab", "it", "de", "es"} <= set(CODES)


@pytest.mark.parametrize("code", CODES)
def test_examples_of_the_rules(code):
    language = languages.read(code, Path("/nowhere"))
    assert len(language.examples) >= 3
    for example in language.examples:
        labels = language.rules.labels(example.given)
        assert labels == example.labels
        assert not language.alphabet.missing(labels or "")
        assert (
            labels is None or language.rules.labels(labels) == labels
        )  # text that is labels already stays


@pytest.mark.parametrize("code", CODES)
def test_scripts(code):
    folder = languages.find(code, Path("/nowhere"))
    own, described = (
        languages.variables(folder / "params.sh"),
        languages.variables(folder / "metadata.sh"),
    )
    loaded = load(SpeechSettings, {"model_language": code}, {}, own | described, f"lang/{code}")
    assert loaded.settings.export_language == code
    corpora = languages.script_lines(
        folder / "importers.sh",
        script_variables(loaded.settings, languages.read(code, Path("/nowhere"))),
    )
    assert corpora[0].name == "common_voice"
    for line in corpora:
        assert line.places, line
        assert readers.reader(line.name).LICENCE
        assert set(line.options) <= {
            "sha256",
            "from",
            "take",
            "sentences",
            "numbers",
            "skip",
            "duplicate_sentence_count",
            "max_seconds",
        }
    assert languages.script_lines(folder / "prepare_lm.sh", own)[-1].name == "transcripts"


def test_faults_of_a_folder_are_one_line(tmp_path):
    folder = tmp_path / "lang" / "xx"
    folder.mkdir(parents=True)
    with pytest.raises(UserError, match="no language 'zz'"):
        languages.find("zz", tmp_path)
    with pytest.raises(UserError, match=r"no params\.sh and no metadata\.sh"):
        languages.find("xx", tmp_path)
    (folder / "importers.sh").write_text("#!/usr/bin/env bash\necho on; echo off >&2; exit 3\n")
    with pytest.raises(UserError, match="is not executable: chmod"):
        languages.script_lines(folder / "importers.sh", {})
    (folder / "importers.sh").chmod(0o755)
    with pytest.raises(UserError, match=r"importers\.sh failed with exit code 3: off"):
        languages.script_lines(folder / "importers.sh", {})
    (folder / "params.sh").write_text("EPOCHS=$((3*4))\nMINE='a b'\n")
    assert languages.variables(folder / "params.sh") == {"EPOCHS": "12", "MINE": "a b"}
    (folder / "params.sh").write_text("nonsense_command\n")
    with pytest.raises(UserError, match="nonsense_command"):
        languages.variables(folder / "params.sh")


def test_line_endings_of_windows_are_named(tmp_path):
    for name in ("params.sh", "importers.sh"):
        (tmp_path / name).write_bytes(b"#!/usr/bin/env bash\r\nEPOCHS=3\r\n")
        (tmp_path / name).chmod(0o755)
    with pytest.raises(UserError, match=r"params\.sh has the line endings of Windows"):
        languages.variables(tmp_path / "params.sh")
    with pytest.raises(UserError, match=r"importers\.sh has the line endings of Windows"):
        languages.script_lines(tmp_path / "importers.sh", {})
