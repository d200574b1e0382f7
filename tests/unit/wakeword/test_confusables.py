import numpy as np
import pytest

from trainer.errors import UserError
from trainer.text import characters
from trainer.wakeword import confusables, phrases
from trainer.wakeword.confusables import Words
from trainer.wakeword.engines import espeak

EN = Words("en")


def test_confusables_are_never_the_phrase():
    own = [p for p in phrases.phonemes("hey buster", "en") if p != "|"]
    rng, texts = np.random.default_rng(0), set()
    for _ in range(200):
        text = confusables.confusable(rng, "hey buster", EN)
        texts.add(text)
        assert text.lower() != "hey buster"
        if not text.startswith("[["):
            sounds = [p for p in espeak.phonemes(text, "en") if p != "|"]
            assert confusables.distance(own, sounds) >= 0.7
    assert len(texts) > 100


def test_sentences_avoid_the_phrase():
    rng, avoid = np.random.default_rng(1), frozenset({"the", "computer"})
    spoken = " ".join(confusables.sentence(rng, EN, avoid) for _ in range(300))
    assert "the" not in spoken.split()
    assert len(set(spoken.split())) > 300


def test_similar_words_sound_alike():
    assert "davis" in confusables.similar_words("jarvis", EN, 10)


@pytest.mark.parametrize("language", ["hi", "bn", "ta", "ru", "cmn", "ja", "el"])
def test_word_lists_are_of_the_language(language):
    words = confusables._frequent(Words(language))
    assert len(words) > 3000
    own = characters.scripts_of(language)
    assert all(set(characters.scripts(w)) <= own for w in words)


def test_languages_without_a_list_take_the_users_text(tmp_path):
    with pytest.raises(UserError, match="no word list for 'eu': give --speech-text"):
        confusables.check(Words("eu"))
    text = tmp_path / "text.txt"
    text.write_text("kaixo mundua")
    with pytest.raises(UserError, match="has 2 different words"):
        confusables.check(Words("eu", str(text)))
    syllables = [a + b for a in "bdgklmnprst" for b in "aeiou"]
    text.write_text(" ".join(a + b for a in syllables for b in syllables[:20]))
    sentence = confusables.sentence(np.random.default_rng(0), Words("eu", str(text)), frozenset())
    assert set(sentence.split()) <= set(text.read_text().split())
    (tmp_path / "b.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match="UTF-8"):
        confusables.check(Words("eu", str(tmp_path / "b.txt")))
