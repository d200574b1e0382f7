"""The text of a language model: words, or the characters of models of bytes."""

import pytest

from trainer.readers import Utterance
from trainer.settings_stt import SpeechSettings
from trainer.stt.gathering import Material
from trainer.stt.language_model import write_text
from trainer.stt.pipeline import no_scorer
from trainer.stt.splits import Split
from trainer.text import ByteAlphabet


def test_held_out_sentences_are_left_out_however_they_are_spaced(tmp_path):
    (tmp_path / "text").write_text("我 今天\n好 吗\n")
    counts = write_text(tmp_path / "out", [tmp_path / "text", "transcripts"], None, {"我今天"}, [Utterance("a", "我今天")], True)
    assert (tmp_path / "out").read_text() == "好 吗\n我 今 天\n"
    assert counts["text"] == {"taken": 1, "refused": 0, "in dev or test": 1}
    write_text(tmp_path / "out", [tmp_path / "text"], None, {"我今天"}, [])
    assert (tmp_path / "out").read_text() == "我 今天\n好 吗\n"


@pytest.mark.parametrize(("said", "mode", "why"), [
    (["a b", "c d", "e"], True, "2 of 3 transcripts have spaces"), (["a b", "c d", "e"], False, ""), (["a b", "c", "e"], True, ""),
])
def test_scorers_of_characters_are_for_languages_without_spaces(said, mode, why):
    split = Split()
    split.sets["train"]["x"] = [Utterance("a.wav", text) for text in said]
    material = Material(ByteAlphabet(), None, split, texts=["transcripts"])
    assert why in no_scorer(SpeechSettings(bytes_output_mode=mode), material)
    assert bool(why) == bool(no_scorer(SpeechSettings(bytes_output_mode=mode), material))
    assert "LM_TEXT is empty" in no_scorer(SpeechSettings(), Material(ByteAlphabet(), None, split))
