"""Finding what lies in sources/, and the text of the language model."""

import gzip
import io
import logging
import lzma
import shutil
import tarfile
import zipfile

import pytest

from trainer.corpora.utterance import Utterance
from trainer.errors import UserError
from trainer.steps import Steps
from trainer.stt import sources
from trainer.stt.language_model import TextPlan, write_text
from trainer.stt.material import Text
from trainer.stt.sources import Missing, locate
from trainer.text.ngram import text_lines
from trainer.text.rules import AS_WRITTEN, Rules


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

    def write(*names, rules=AS_WRITTEN, held_out=frozenset(), trained_on=()):
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


def archive(path, *members):
    """An archive with empty files."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as out:
            for member in members:
                out.writestr(member, "")
        return path
    with tarfile.open(path, "w:gz") as out:
        for member in members:
            out.addfile(tarfile.TarInfo(member), io.BytesIO())
    return path


CV24 = "cv-corpus-24.0-2025-12-05/fr/train.tsv"


@pytest.mark.parametrize(
    ("name", "member"),
    [
        ("mcv-scripted-fr-v24.0.tar.gz", CV24),
        ("download(3).tgz", f"./{CV24}"),
        ("a.zip", CV24),
        ("mine.tar.gz", "fr/train.tsv"),
        ("cv-corpus-6.1-2020-12-11-fr.tar.gz", "cv-corpus-6.1-2020-12-11/fr/clips/a.mp3"),
    ],
)
def test_corpora_are_recognised_by_content(tmp_path, name, member):
    path = archive(tmp_path / name, "README", member)
    archive(tmp_path / "other.tar.gz", "cv-corpus-25.0-2026-03-05/de/train.tsv")
    (tmp_path / "damaged.tar.gz").write_bytes(b"x" * 100)
    assert locate("common_voice", ("content:fr|fr.tar.gz",), {}, tmp_path, False) == [path]
    found = locate("common_voice", ("content:it|it.tar.gz",), {"from": "x"}, tmp_path, False)
    assert "its archive for 'it' (any name)" in found.advice


def test_the_newest_release_and_the_deltas_after_it(tmp_path, caplog):
    old = archive(tmp_path / "z.tar.gz", "cv-corpus-9.0-2022-04-27/fr/train.tsv")
    new = archive(tmp_path / "a.tar.gz", "cv-corpus-23.0-2025-09-05/fr/train.tsv")
    late = archive(tmp_path / "d.tar.gz", "cv-corpus-24.0-delta-2025-12-05/fr/validated.tsv")
    early = archive(tmp_path / "e.tar.gz", "cv-corpus-22.0-delta-2025-06-20/fr/validated.tsv")
    with caplog.at_level(logging.INFO, logger="trainer"):
        found = locate("common_voice", ("content:fr",), {}, tmp_path, False)
    assert found == [new, late]
    for path in (old, early):
        assert f"{path.name} is not used: it is not newer than a.tar.gz" in caplog.text
    new.unlink()
    old.unlink()
    with caplog.at_level(logging.INFO, logger="trainer"):
        assert isinstance(locate("common_voice", ("content:fr",), {}, tmp_path, False), Missing)
    assert "d.tar.gz is not used: it is a delta" in caplog.text


def test_an_unpacked_release_is_recognised_too(tmp_path):
    for language in ("fr", "de"):
        folder = tmp_path / "cv-corpus-24.0-2025-12-05" / language
        (folder / "clips").mkdir(parents=True)
        (folder / "train.tsv").touch()
    found = locate("common_voice", ("content:de",), {}, tmp_path, False)
    assert found == [tmp_path / "cv-corpus-24.0-2025-12-05" / "de"]


def test_what_is_not_used_is_named(tmp_path, caplog):
    used, unused = tmp_path / "a.tar.gz", tmp_path / "wiki.txt"
    used.touch()
    unused.touch()
    with caplog.at_level(logging.WARNING, logger="trainer"):
        sources.report_unused(tmp_path, [used])
    assert "1 files are not used by this run: wiki.txt" in caplog.text


def test_spontaneous_speech_is_recognised_as_it_comes(tmp_path):
    audios = [f"sps-corpus-1.0-2025-09-05-fr/audios/{i}.mp3" for i in range(90)]
    whole = archive(tmp_path / "a.tar.gz", *audios, "sps-corpus-1.0-2025-09-05-fr/ss-corpus-fr.tsv")
    assert locate("spontaneous_speech", ("content:fr",), {}, tmp_path, False) == [whole]
    whole.unlink()
    for name in ("sps-corpus-1.0-2025-09-05-fr", "mine"):
        folder = tmp_path / name
        (folder / "audios").mkdir(parents=True)
        (folder / "ss-corpus-fr.tsv").touch()
        assert locate("spontaneous_speech", ("content:fr",), {}, tmp_path, False) == [folder]
        shutil.rmtree(folder)
    assert isinstance(locate("spontaneous_speech", ("content:fr",), {}, tmp_path, False), Missing)


def test_the_checksum_of_a_release_is_checked_with_deltas_too(tmp_path):
    paths = [archive(tmp_path / name, "x") for name in ("a.tar.gz", "b.tar.gz")]
    steps = Steps(tmp_path / "work", "stt")
    with pytest.raises(UserError, match=r"a\.tar\.gz: sha256 is"):
        sources.unpacked(steps, "common_voice", paths, "0" * 64)
    right = sources.sha256_of(paths[0])
    assert sources.unpacked(steps, "common_voice", paths, right).is_dir()
