"""Files and a language's folder to what is trained on, before any clip is read."""

import logging

import pytest

from trainer.errors import UserError
from trainer.stt.gathering import gather
from trainer.stt.settings import SpeechSettings
from trainer.text import language as languages
from trainer.text.alphabet import Alphabet, ByteAlphabet


@pytest.fixture
def collect(tmp_path, make_run):
    def collect(rows, dev="d.wav,so\n", known=None, language=None, name="train.csv", **flags):
        header = "wav_filename,transcript,speaker\n"
        (tmp_path / name).write_text(header + rows)
        (tmp_path / "dev.csv").write_text(header + dev)
        given = {
            "data_dir": str(tmp_path),
            "train_files": str(tmp_path / name),
            "dev_files": str(tmp_path / "dev.csv"),
            **flags,
        }
        read = languages.read(language, tmp_path) if language else None
        return gather(make_run(SpeechSettings, "stt", "x", **given), read, known)

    return collect


def places(material):
    return [text.place for text in material.texts]


KNOWN = Alphabet(("z", " ", "a"))


def test_labels_of_starting_weights_stay_and_others_are_added(collect):
    assert collect("a.wav,ab ba\n", known=KNOWN).alphabet.labels == ("z", " ", "a", "b")
    assert collect("a.wav,ab ba\n", known=KNOWN, epochs="0").alphabet == KNOWN
    assert collect("a.wav,ab ba\n", known=KNOWN, drop_source_layers="1").alphabet.labels == (
        " ",
        "a",
        "b",
    )
    with pytest.raises(UserError, match="set BYTES_OUTPUT_MODE=1"):
        collect("a.wav,ab ba\n", known=ByteAlphabet())
    assert collect(
        "a.wav,ab ba\n", known=ByteAlphabet(), drop_source_layers="1"
    ).alphabet.labels == (" ", "a", "b")


def test_given_files_without_clips_are_errors_and_never_replaced(collect, tmp_path):
    with pytest.raises(UserError, match=r"DEV_FILES: .*dev\.csv holds no clips"):
        collect("a.wav,ab ba\n", dev="")
    with pytest.raises(UserError, match="DEV_FILES: dev: all clips are rejected: empty transcript"):
        collect("a.wav,ab ba\n", dev="d.wav,\n")
    (tmp_path / "more.csv").write_text("wav_filename,transcript\nm.wav,12\n")
    with pytest.raises(
        UserError, match="TRAIN_FILES: more: all clips are rejected: refused by the rules"
    ):
        collect(
            "a.wav,\nb.wav,ba\n",
            language="fr",
            train_files=f"{tmp_path}/train.csv,{tmp_path}/more.csv",
        )
    with pytest.raises(UserError, match="typo: no such folder"):
        collect("a.wav,ab ba\n", test_files=f"folder:{tmp_path}/typo")


def test_clips_listed_twice_are_rejected_and_leaks_are_warnings(collect, caplog):
    with caplog.at_level(logging.INFO, logger="trainer"):
        found = collect("a.wav,ab\nb.wav,ba\na.wav,ab\n", dev="b.wav,ba\n")
    assert [u.path.rsplit("/", 1)[1] for u in found.split.of("train")] == ["a.wav", "b.wav"]
    assert [(r.reason, r.detail) for r in found.rejected_early()] == [("listed twice", "train: ab")]
    assert "dev: 1 of its 1 clips are also trained on" in caplog.text


def test_a_table_that_is_called_like_a_corpus_is_none(collect, tmp_path):
    found = collect("a.wav,ab\n", name="librispeech.csv")
    assert found.titles({"train": {"librispeech": tmp_path}}) == {
        "librispeech": ("librispeech", "", "")
    }


def test_a_language_beside_files_gives_rules_and_alphabet(collect):
    found = collect(
        "a.wav,C’est l’été !\nb.wav,Il a 12 ans\n", language="fr", lm_text="transcripts"
    )
    assert [u.transcript for u in found.split.of("train")] == ["c'est l'été"]
    assert [r.kind for r in found.rejected_early()] == ["refused by the rules of transcripts"]
    assert "w" in found.alphabet.labels


def test_several_texts_and_classes(collect, tmp_path):
    (tmp_path / "more.txt").write_text("ab\n")
    (tmp_path / "classes.txt").write_text("ab ba\n")
    found = collect(
        "a.wav,ab ba\n",
        lm_text=f"transcripts, {tmp_path}/more.txt",
        lm_classes=str(tmp_path / "classes.txt"),
    )
    assert places(found) == ["transcripts", tmp_path / "more.txt"]
    assert found.classes == (("ab", "ba"),)
    with pytest.raises(UserError, match=r"LM_TEXT: .*none.txt: no such file"):
        collect("a.wav,ab ba\n", lm_text=f"transcripts,{tmp_path}/none.txt")
    assert collect("a.wav,ab ba\n", lm_text="transcripts,transcripts").texts[1:] == []
    counted = collect("a.wav,ab ba\n", lm_text=f"transcripts*30, {tmp_path}/more.txt*2")
    assert [(t.place, t.times) for t in counted.texts] == [
        ("transcripts", 30),
        (tmp_path / "more.txt", 2),
    ]
    with pytest.raises(UserError, match="transcripts: '0' is not a whole number from 1"):
        collect("a.wav,ab ba\n", lm_text="transcripts*0")
    (tmp_path / "x,y.txt").write_text("ab\n")
    assert places(collect("a.wav,ab ba\n", lm_text=f"{tmp_path}/x,y.txt")) == [tmp_path / "x,y.txt"]
    for flags, why in (
        ({"lm_text": f"{tmp_path}/more.txt"}, "without `transcripts`"),
        ({}, "without `transcripts`"),
        ({"lm_text": "transcripts", "bytes_output_mode": "1"}, "with BYTES"),
        ({"lm_text": "transcripts", "scorer_path": "x.scorer"}, "with SCORER_PATH"),
    ):
        with pytest.raises(UserError, match=f"LM_CLASSES has no effect {why}"):
            collect("a.wav,ab ba\n", lm_classes=str(tmp_path / "classes.txt"), **flags)


def test_classes_are_by_the_rules_of_transcripts(collect, tmp_path):
    (tmp_path / "classes.txt").write_text("Août FÉVRIER\n")
    given = {
        "language": "fr",
        "lm_text": "transcripts",
        "lm_classes": str(tmp_path / "classes.txt"),
    }
    assert collect("a.wav,en août\n", **given).classes == (("août", "février"),)
    (tmp_path / "classes.txt").write_text("août 12\n")
    with pytest.raises(UserError, match="class 1: '12' is refused by the rules"):
        collect("a.wav,en août\n", **given)


def test_speakers_are_held_out_by_their_names_one_at_least(collect):
    rows = "".join(f"{k}_{n}.wav,ab,s{k}\n" for k in range(40) for n in range(2))

    def held_out(**flags):
        return {u.speaker for u in collect(rows, dev_files="", **flags).split.of("dev")}

    tenth, few = held_out(), held_out(dev_share="0.05")
    assert 0 < len(few) < len(tenth) < 10
    assert few < tenth
    assert len(held_out(dev_share="0.001")) == 1
    unknown = collect(
        "".join(f"{n}.wav,ab\n" for n in range(40)), dev_files="", dev_share="0.1"
    ).split
    assert 0 < len(unknown.of("dev")) < 40 / 3
    with pytest.raises(UserError, match="DEV_SHARE would have no effect: DEV_FILES are given"):
        collect(rows, dev_share="0.05")
    with pytest.raises(
        UserError, match="DEV_FILES, DEV_SHARE would have no effect: with MODEL_LANGUAGE"
    ):
        collect(rows, train_files="", language="fr", dev_share="0.05")
    with pytest.raises(UserError, match="nothing to train on: give TRAIN_FILES"):
        collect(rows, train_files="", dev_files="", dev_share="0.05")


def language_folder(home, dev="", test="", code="fr"):
    """A release of Common Voice with given rows of dev and test."""
    folder = home / "sources" / "cv-corpus-24.0-2025-12-05" / code
    (folder / "clips").mkdir(parents=True)
    head = "client_id\tpath\tsentence_id\tsentence\tlocale\n"
    rows = "".join(f"s{i}\t{i}.mp3\t{i}\tun jour {'abcdefghij'[i]}\t{code}\n" for i in range(10))
    for name, text in (("train", rows), ("dev", dev), ("test", test), ("validated", rows)):
        (folder / f"{name}.tsv").write_text(head + text)
    return folder


def test_empty_official_sets_are_replaced_by_held_out_speakers(tmp_path, make_run, caplog):
    language_folder(tmp_path)
    run = make_run(SpeechSettings, "stt", "x", data_dir=str(tmp_path), model_language="fr")
    with caplog.at_level(logging.INFO, logger="trainer"):
        found = gather(run, languages.read("fr", tmp_path), None)
    train, dev = found.split.of("train"), found.split.of("dev")
    assert len(train) + len(dev) == 10
    assert dev
    assert not {u.speaker for u in train} & {u.speaker for u in dev}
    assert "no corpus has a dev set" in caplog.text


def test_scorers_and_exports_need_no_clips(tmp_path, make_run):
    def of(**given):
        run = make_run(SpeechSettings, "stt", "x", data_dir=str(tmp_path), **given)
        return gather(run, None, KNOWN if "epochs" in given else None)

    (tmp_path / "a.txt").write_text(" \na\nb\n")
    (tmp_path / "text.txt").write_text("ab ba\n")
    found = of(alphabet_config_path=str(tmp_path / "a.txt"), lm_text=str(tmp_path / "text.txt"))
    assert found.alphabet.labels == (" ", "a", "b")
    assert places(found) == [tmp_path / "text.txt"]
    assert not found.split.of("train")
    assert of(epochs="0").alphabet == KNOWN
    with pytest.raises(UserError, match="nothing to train on: give TRAIN_FILES"):
        of()


def test_two_files_of_one_name_are_two_sets(collect, tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "test.csv").write_text(f"wav_filename,transcript\n{name}.wav,ab\n")
    files = f"{tmp_path}/one/test.csv,{tmp_path}/two/test.csv"
    found = collect("a.wav,ab\n", test_files=files)
    assert list(found.split.sets["test"]) == ["test", "two_test"]


def test_invisible_characters_are_no_labels(collect):
    found = collect("a.wav,so\u00adft\u200b go\ufeff\n")
    assert [u.transcript for u in found.split.of("train")] == ["soft go"]
    assert found.alphabet.labels == (" ", "f", "g", "o", "s", "t")


def test_letters_that_folding_would_lose_are_rejected(collect):
    found = collect("a.wav,Aɣrum d ɛli\nb.wav,Été\n", english_compatible="1", dev="d.wav,so\n")
    assert [u.transcript for u in found.split.of("train")] == ["ete"]
    reasons = [r.reason for r in found.rejected_early()]
    assert reasons == ["letters that have no ASCII form ('ɛ' 'ɣ')"]


def test_transcripts_are_spelled_as_the_alphabet_is(collect, tmp_path):
    (tmp_path / "bn.txt").write_text(" \n\u09dc\n\u09be\n", encoding="utf-8")
    path = str(tmp_path / "bn.txt")
    found = collect(
        "a.wav,\u09a1\u09bc\u09be\n", dev="d.wav,\u09dc\u09be\n", alphabet_config_path=path
    )
    assert found.alphabet.labels == (" ", "\u09dc", "\u09be")
    assert [u.transcript for u in found.split.of("train")] == ["\u09dc\u09be"]
    assert found.rules.labels("\u09a1\u09bc") == "\u09dc"


def test_an_own_split_of_all_validated_clips(collect, tmp_path):
    folder = language_folder(tmp_path, dev="s9\tx.mp3\t1\tun soir\tfr\n")
    found = collect("", name="x.csv", train_files=f"common_voice[split=own]:{folder}", dev_files="")
    assert len(found.split.of("train")) + len(found.split.of("dev")) == 10
    with pytest.raises(UserError, match="split=mine: leave it out"):
        collect("", name="x.csv", train_files=f"common_voice[split=mine]:{folder}", dev_files="")
