import numpy as np
import pytest

from trainer.errors import UserError
from trainer.wakeword import phrases
from trainer.wakeword.engines import espeak


@pytest.mark.parametrize(
    ("phrase", "name"),
    [
        ("hey buster", "hey_buster"),
        ("hey buster.", "hey_buster"),
        ("../../etc/passwd; rm -rf $HOME", "etc_passwd_rm_rf_home"),
        ("Olá, João!", "olá_joão"),
        ("خيارات", "خيارات"),
        ("snake_case", "snake_case"),
        ("???", "wakeword"),
    ],
)
def test_file_names_are_safe_in_any_script(phrase, name):
    assert phrases.slug(phrase) == name
    assert not set(phrases.slug(phrase)) & set("/\\$;&|<>*?\"'` .")


@pytest.mark.parametrize("phrase", ["", "   ", "?!", "\t\n", "x" * 80])
def test_nothing_to_say_is_an_error(phrase):
    with pytest.raises(UserError):
        phrases.clean(phrase)


def test_clean_keeps_one_line():
    assert phrases.clean("hey \n  buster\x00") == "hey buster"


def test_unpronounceable():
    with pytest.raises(UserError, match="0 sounds|1 sounds|2 sounds"):
        phrases.phonemes("a", "en")


def test_sounds_of_a_phrase():
    assert phrases.phonemes("hey buster", "en").count("|") == 1
    assert len(phrases.phonemes("خيارات", "ar")) >= 5


def test_confusables_are_never_the_phrase():
    own = [p for p in phrases.phonemes("hey buster", "en") if p != "|"]
    rng, texts = np.random.default_rng(0), set()
    for _ in range(200):
        text = phrases.confusable(rng, "hey buster", "en")
        texts.add(text)
        assert text.lower() != "hey buster"
        if not text.startswith("[["):
            assert (
                phrases.distance(own, [p for p in espeak.phonemes(text, "en") if p != "|"]) >= 0.7
            )
    assert len(texts) > 100


def test_sentences_avoid_the_phrase():
    rng = np.random.default_rng(1)
    said = " ".join(phrases.sentence(rng, "en", frozenset({"the", "computer"})) for _ in range(300))
    assert "the" not in said.split()
    assert len(set(said.split())) > 300


def test_similar_words_sound_alike():
    assert "davis" in phrases.similar_words("jarvis", "en", 10)
