import pytest

from trainer.errors import UserError
from trainer.wakeword import phrases


@pytest.mark.parametrize(
    ("phrase", "name"),
    [
        ("hey buster", "hey_buster"),
        ("hey buster.", "hey_buster"),
        ("../../etc/passwd; rm -rf $HOME", "etc_passwd_rm_rf_home"),
        ("Olá, João!", "olá_joão"),
        ("خيارات", "خيارات"),
        ("snake_case", "snake_case"),
        ("नमस्ते दुनिया", "नमस्ते_दुनिया"),
        ("ওকে গুগল", "ওকে_গুগল"),
        ("สวัสดี", "สวัสดี"),
        ("???", "wakeword"),
    ],
)
def test_file_names_are_safe_in_any_script(phrase, name):
    assert phrases.slug(phrase) == name
    assert not set(phrases.slug(phrase)) & set("/\\$;&|<>*?\"'` .")


def test_file_names_follow_the_casing_of_the_language():
    assert phrases.slug("IŞIK", "tr") == "ışık"
    assert phrases.slug("İstanbul", "tr") == phrases.slug("İstanbul") == "istanbul"


@pytest.mark.parametrize("phrase", ["", "   ", "?!", "\t\n", "x" * 80, "\u200b\u00ad"])
def test_nothing_to_say_is_an_error(phrase):
    with pytest.raises(UserError):
        phrases.clean(phrase)


@pytest.mark.parametrize(
    ("given", "cleaned"),
    [
        ("hey \n  buster\x00", "hey buster"),
        ("hey bus\u00adter\u200b", "hey buster"),
        ("स्\u200dते", "स्\u200dते"),  # a joiner inside a word changes its letters
        ("cafe\u0301", "café"),
    ],
)
def test_clean_keeps_one_line_and_what_is_visible(given, cleaned):
    assert phrases.clean(given) == cleaned


@pytest.mark.parametrize(
    ("written", "spoken", "language"),
    [
        ("hey_jarvis", "hey jarvis", "en"),
        ("Dr. Who", "doctor Who", "en"),
        ("St. James", "saint James", "en-gb"),
        ("hal 9000", "hal nine thousand", "en"),
        ("agent 007", "agent zero zero seven", "en"),
        ("No. 5", "number five", "en"),
        ("oh no.", "oh no.", "en"),
        ("2nd base", "second base", "en"),
        ("you & me", "you and me", "en"),
        ("R2D2", "R two D two", "en"),
        ("agent 47", "agent siebenundvierzig", "de"),
        ("hey, jarvis", "hey, jarvis", "en"),
        ("level 1,005", "level one thousand and five", "en"),
        ("jarvis 5,000", "jarvis five thousand", "en"),
        ("route 1 000", "route one thousand", "en"),
        ("ハロー 3", "ハロー 3", "ja"),
    ],
)
def test_all_engines_get_one_spoken_form(written, spoken, language):
    assert phrases.spoken(written, language) == spoken


@pytest.mark.parametrize(
    ("phrase", "language", "message"),
    [
        ("привет дом", "en", r"Cyrillic letters \('п'\).*set --language \(ru"),
        ("hey buster", "hi", "Latin letters.*written in Devanagari"),
        ("你好小智", "en", "Chinese characters letters.*cmn"),
        ("北京", "ja", "cannot read .*Hiragana"),
        ("γεια σου", "de", "Greek letters.*el"),
        ("hello", "en-au", "no voice 'en-au'; for 'en' there are: .*en-gb"),
        ("hello", "xx", "no voice 'xx'"),
    ],
)
def test_text_of_another_language_is_an_error(phrase, language, message):
    with pytest.raises(UserError, match=message):
        phrases.check_language(phrase, language)


@pytest.mark.parametrize(
    ("phrase", "language"),
    [
        ("hey Computer", "de"),
        ("नमस्ते", "hi"),
        ("你好小智", "cmn"),
        ("你好小智", "zh"),
        ("こんにちは", "ja"),
        ("привет", "bg"),
        ("hej", "sr"),
        ("señor", "en"),
    ],
)
def test_text_of_the_language_is_none(phrase, language):
    phrases.check_language(phrase, language)
    assert len(phrases.phonemes(phrase, language)) >= 3


def test_chinese_is_read_by_its_tones():
    sounds = phrases.phonemes("你好小智", "cmn")
    assert [p[-3:] for p in sounds if p.startswith("'")] == ["214", "214", ".51"] or sounds[:2] == [
        "n",
        "'i214",
    ]


def test_unpronounceable():
    with pytest.raises(UserError, match="0 sounds|1 sounds|2 sounds"):
        phrases.phonemes("a", "en")
    with pytest.raises(UserError, match="longer than the 2 s"):
        phrases.phonemes("incomprehensibilities " * 3, "en")


def test_sounds_of_a_phrase():
    assert phrases.phonemes("hey buster", "en").count("|") == 1
    assert len(phrases.phonemes("خيارات", "ar")) >= 5


def test_several_phrases_are_each_checked_and_once():
    assert phrases.several(["hey_you", " ", "hey you", "ok 5"], "en") == ("hey you", "ok five")
    with pytest.raises(UserError, match="Cyrillic"):
        phrases.several(["hey you", "привет"], "en")


@pytest.mark.parametrize(
    ("phrase", "title"),
    [("hey buster", ""), ("hey buster", "Hey Buster"), ("okay", "Okay Nabu"), ("नमस्ते", "दुनिया")],
)
def test_titles(phrase, title):
    phrases.check_title(phrase, title)


def test_an_unquoted_phrase_is_no_title():
    with pytest.raises(UserError, match='in quotes, as in "okay nabu"'):
        phrases.check_title("okay", "nabu")
