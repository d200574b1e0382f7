import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from trainer import store as clips
from trainer.errors import UserError
from trainer.wakeword import synthesis
from trainer.wakeword.confusables import Words
from trainer.wakeword.engines import (
    agreement,
    draw_voice,
    espeak,
    flite,
    those_that_agree,
    usable_engines,
)

EN = Words("en")


def test_voices_are_many_and_repeatable():
    rng = np.random.default_rng(0)
    voices = [draw_voice(rng, "en", ("espeak", "flite")) for _ in range(400)]
    assert len({v.name for v in voices}) > 150
    assert 0.3 < np.mean([v.engine == "flite" for v in voices]) < 0.5


def test_same_clips_whatever_was_synthesized_before(tmp_path, workers):
    plan = synthesis.SpeechPlan("phrase", ("computer",), EN, ("espeak", "flite"), 300, 1)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        clips.build(tmp_path / name, synthesis.speech_chunk, plan, 3, name, workers, fresh=True)
        plan2 = synthesis.SpeechPlan("speech", ("x",), EN, ("espeak", "flite"), 100, 1)
        (tmp_path / f"{name}2").mkdir()
        clips.build(
            tmp_path / f"{name}2", synthesis.speech_chunk, plan2, 1, name, workers, fresh=True
        )
    assert (tmp_path / "a/data.raw").read_bytes() == (tmp_path / "b/data.raw").read_bytes()
    assert len(set(clips.Clips(tmp_path / "a").index["length"])) > 30


def test_same_breath_whatever_was_drawn_before():
    """A breathy voice in its own process, after none and after seven of C's random numbers."""
    program = (
        "import ctypes, hashlib, sys; "
        "[ctypes.CDLL(None).rand() for _ in range(int(sys.argv[1]))]; "
        "from trainer.wakeword.engines import espeak; "
        "clip = espeak.speak('yes', 'en-us+f2', 150, 50, 50, 1.0); "
        "print(hashlib.sha256(clip).hexdigest())"
    )
    root = Path(synthesis.__file__).parents[2]
    hashes = [
        subprocess.run(
            [sys.executable, "-c", program, drawn],
            cwd=root,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for drawn in "07"
    ]
    assert hashes[0] == hashes[1]
    assert len(hashes[0]) == 65


def test_timbre_raises_formants_and_keeps_tempo():
    low, high = (espeak.speak("computer", "en-us+m3", 165, 50, 50, t) for t in (0.85, 1.2))
    assert len(high) == pytest.approx(len(low), rel=0.12)

    def centroid(x):
        power = np.abs(np.fft.rfft(x)) ** 2
        return (power * np.arange(len(power))).sum() / power.sum() / len(power)

    assert centroid(high) > 1.1 * centroid(low)


@pytest.mark.parametrize("language", ["en", "ar", "de", "fr", "es", "hi"])
def test_languages_speak(language):
    plan = synthesis.SpeechPlan(
        "speech", ("computer",), Words(language), usable_engines(language, "auto"), 3, 1
    )
    assert all(len(synthesis.speak_one(plan, n)[0]) > 4000 for n in range(3))


def test_phonemes_can_be_said_back():
    sounds = espeak.phonemes("hey computer", "en")
    spoken = espeak.speak(espeak.spell(sounds), "en-us", 165, 50, 50, 1.0)
    plain = espeak.speak("hey computer", "en-us", 165, 50, 50, 1.0)
    assert len(spoken) == pytest.approx(len(plain), rel=0.4)


def test_wrong_engine_or_language_is_said():
    with pytest.raises(UserError, match="no engine 'festival'"):
        usable_engines("en", "festival")
    with pytest.raises(UserError, match="has no voice for 'de'"):
        usable_engines("de", "flite")
    with pytest.raises(UserError, match="no voice 'xx'"):
        espeak.phonemes("hello", "xx")


@pytest.mark.parametrize(
    "phrase",
    [
        "hey buster",
        "okay nabu",
        "alexa",
        "hey mycroft",
        "agent forty seven",
        "café",
        "naïve",
        "BBC",
    ],
)
def test_engines_that_read_a_phrase_alike_are_used(phrase, caplog):
    assert agreement.difference(phrase) <= agreement.LIMIT
    assert those_that_agree(("espeak", "flite"), phrase) == ("espeak", "flite")


@pytest.mark.parametrize("phrase", ["señor", "Jürgen", "hey_jarvis", "$5", "Beyoncé", "Köln"])
def test_an_engine_that_reads_it_otherwise_is_left_out(phrase):
    assert those_that_agree(("espeak", "flite"), phrase) == ("espeak",)
    with pytest.raises(UserError, match="no engine is left"):
        those_that_agree(("flite",), phrase)


def test_accented_letters_are_not_spelled_out():
    assert flite.phonemes("café") == flite.phonemes("cafe")
    assert len(flite.speak("café", "slt", 1.0, 120, 1.0)) < 1.3 * len(
        flite.speak("cafe", "slt", 1.0, 120, 1.0)
    )


def test_accents_have_voices_of_their_own():
    assert usable_engines("en-gb", "auto") == ("espeak",)
    assert espeak.phonemes("water", "en-gb") != espeak.phonemes("water", "en-us")
    assert "pt-br" in espeak.languages()


@pytest.mark.parametrize("phrase", ["hey, jarvis", "computer, wake up", "stop. listen"])
def test_no_clip_loses_a_part_of_the_phrase(phrase):
    """What trimming removes is compared with what was said, for fast and slow voices."""
    for number in range(40):
        rng = np.random.default_rng([1, 0, number])
        whole = draw_voice(rng, "en", ("espeak", "flite")).speak(phrase)
        kept = synthesis.trimmed(whole, 20.0)
        assert np.square(kept).sum() > 0.95 * np.square(whole).sum()


def test_phrases_that_do_not_fit_are_refused_early():
    from trainer.wakeword.engines import usual_voice

    voices = [usual_voice("espeak", "en"), usual_voice("flite", "en")]
    synthesis.check_length("hey buster", voices)
    with pytest.raises(UserError, match=r"takes [2-9]\.\d s at usual speed; at most 2 s"):
        synthesis.check_length("good morning my dear computer are you there", voices)


def test_several_phrases_are_all_said_and_negatives_too():
    plan = synthesis.SpeechPlan("phrase", ("hey buster", "okay nabu"), EN, ("espeak",), 50, 1)
    texts = {synthesis._text(plan, EN, np.random.default_rng(n)).rstrip(".!?,") for n in range(50)}
    assert texts == {"hey buster", "okay nabu"}
    plan = synthesis.SpeechPlan(
        "confusable", ("hey buster",), EN, ("espeak",), 50, 1, ("hey buster brown",)
    )
    texts = [synthesis._text(plan, EN, np.random.default_rng(n)) for n in range(80)]
    assert 8 < texts.count("hey buster brown") < 40
    assert "hey buster" not in texts
