import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from trainer import store as clips
from trainer.errors import UserError
from trainer.wakeword import synthesis
from trainer.wakeword.engines import draw_voice, espeak, usable_engines


def test_voices_are_many_and_repeatable():
    rng = np.random.default_rng(0)
    voices = [draw_voice(rng, "en", ("espeak", "flite")) for _ in range(400)]
    assert len({v.name for v in voices}) > 150
    assert 0.3 < np.mean([v.engine == "flite" for v in voices]) < 0.5


def test_same_clips_whatever_was_synthesized_before(tmp_path, workers):
    plan = synthesis.SpeechPlan("phrase", "computer", "en", ("espeak", "flite"), 300, 1)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        clips.build(tmp_path / name, synthesis.speech_chunk, plan, 3, name, workers, fresh=True)
        plan2 = synthesis.SpeechPlan("speech", "x", "en", ("espeak", "flite"), 100, 1)
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
        "speech", "computer", language, usable_engines(language, "auto"), 3, 1
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
