"""Finding what lies in sources/, and the text of the language model."""

import gzip
import lzma

import pytest

from trainer.corpora.utterance import Utterance
from trainer.errors import UserError
from trainer.stt import sources
from trainer.stt.language_model import TextPlan, write_text
from trainer.stt.material import Text
from trainer.stt.sources import Missing, locate
from trainer.text.ngram import text_lines
from trainer.text.rules import Rules


def test_the_newest_release_by_its_numbers(tmp_path):
    for name in (
        "cv-corpus-9.0-fr.tar.gz",
        "cv-corpus-21.0-fr.tar.gz",
        "cv-corpus-22.0-delta-fr.tar.gz",
    ):
        (tmp_path / name).touch()
    assert locate("cv", ("cv-*-fr.tar.gz|fr.tar.gz",), {}, tmp_path, False) == [
        tmp_path / "cv-corpus-21.0-fr.tar.gz"
    ]
    assert len(locate("cv", ("cv-*-fr.tar.gz",), {"take": "all"}, tmp_path, False)) == 2
    assert locate("cv", (str(tmp_path / "cv-corpus-9*"),), {}, tmp_path / "other", False) == [
        tmp_path / "cv-corpus-9.0-fr.tar.gz"
    ]


def test_missing_files_come_with_advice(tmp_path):
    found = locate("x", ("a.zip|b.zip",), {"from": "http://x/"}, tmp_path, False)
    assert found == Missing("x", f"put a.zip or b.zip into {tmp_path} (from http://x/)")
    found = locate("x", ("https://host/a.tgz",), {}, tmp_path, False)
    assert found == Missing("x", f"download https://host/a.tgz into {tmp_path}, or set DOWNLOAD=1")
    assert isinstance(locate("x", ("",), {}, tmp_path, False), Missing)
    assert isinstance(locate("x", ("/nowhere/a.txt",), {}, tmp_path, False), Missing)


def test_checksums_are_cached_while_a_file_stays(tmp_path):
    (tmp_path / "a").write_text("one")
    first = sources.checksum(tmp_path / "a", tmp_path / "sums.json")
    assert sources.checksum(tmp_path / "a", tmp_path / "sums.json") == first
    (tmp_path / "a").write_text("other")
    assert sources.checksum(tmp_path / "a", tmp_path / "sums.json") != first


def test_texts_of_all_kinds_by_the_same_rules(tmp_path):
    (tmp_path / "a.txt.xz").write_bytes(lzma.compress("L\u2019eau.\nEn 1984\n".encode()))
    (tmp_path / "b.txt.gz").write_bytes(gzip.compress(b"Un essai de phrase\n"))
    spoken = [Utterance("x", "un essai de phrase"), Utterance("y", "oui")]
    places = [tmp_path / "a.txt.xz", tmp_path / "b.txt.gz", "transcripts"]

    def write(*names, rules=None, held_out=frozenset(), trained_on=()):
        texts = [Text(place, ()) for place in names]
        return write_text(TextPlan(texts, rules, frozenset(held_out)), trained_on, tmp_path / "out")

    found = write(*places, rules=Rules(), held_out={"un essai de phrase"}, trained_on=spoken)
    assert (tmp_path / "out").read_text().splitlines() == ["l'eau", "un essai de phrase", "oui"]
    assert found["a.txt.xz"] == {"taken": 1, "refused": 1, "in dev or test": 0}
    assert found["b.txt.gz"]["in dev or test"] == 1
    (tmp_path / "d.txt").write_text("<s> with marks </s>\n")
    write(tmp_path / "d.txt")
    assert (tmp_path / "out").read_text() == "with marks\n"
    with pytest.raises(UserError, match="the text of the language model is empty"):
        write(tmp_path / "b.txt.gz", rules=Rules(), held_out={"un essai de phrase"})
    (tmp_path / "c.txt.gz").write_bytes(b"no gzip")
    with pytest.raises(UserError, match=r"c\.txt\.gz: cannot be read"):
        list(text_lines(tmp_path / "c.txt.gz"))
