"""Engines that users add: stand-ins on the PATH take their place."""

import numpy as np
import pytest
import soundfile

from trainer.errors import UserError
from trainer.wakeword import engines
from trainer.wakeword.engines import programs

SCRIPT = """#!/bin/sh
printf '%s\\n' "$0 $*" >> {log}
while [ $# -gt 0 ]; do case "$1" in -o|-w) out="$2";; esac; shift; done
cp {clip} "$out"
"""


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """All three, with English voices; the file in which their calls are written."""
    soundfile.write(tmp_path / "clip.wav", np.sin(np.arange(8000) / 9) * 0.3, 16000)
    for name in ("RHVoice-test", "pico2wave", "mbrola", "espeak-ng"):
        path = tmp_path / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(SCRIPT.format(log=tmp_path / "log", clip=tmp_path / "clip.wav"))
        path.chmod(0o755)
    for name, language in (("alan", "English"), ("anna", "Russian")):
        (tmp_path / "rhvoice" / name).mkdir(parents=True)
        (tmp_path / "rhvoice" / name / "voice.info").write_text(f"name=X\nlanguage={language}\n")
    for name in ("us1", "de4"):
        (tmp_path / "mbrola" / name).mkdir(parents=True)
        (tmp_path / "mbrola" / name / name).touch()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.setattr(programs, "RHVOICE", tmp_path / "rhvoice")
    monkeypatch.setattr(programs, "MBROLA", tmp_path / "mbrola")
    programs.voices.cache_clear()
    yield tmp_path / "log"
    programs.voices.cache_clear()


def test_voices_of_a_language(installed):
    assert programs.voices("rhvoice", "en-us") == ("alan",)
    assert programs.voices("rhvoice", "ru") == ("anna",)
    assert programs.voices("pico", "en") == ("en-GB", "en-US")
    assert programs.voices("mbrola", "en") == ("us1",)
    assert programs.voices("mbrola", "de") == ("de4",)
    with pytest.raises(UserError, match="engine 'pico' has no voice for 'ru' here"):
        programs.voices("pico", "ru")


def test_named_engines_speak_in_turn(installed, rng):
    found = engines.usable_engines("en", "espeak,rhvoice,pico,mbrola")
    assert found == ("espeak", "rhvoice", "pico", "mbrola")
    drawn = [engines.draw_voice(rng, "en", found) for _ in range(200)]
    counts = {name: sum(voice.engine == name for voice in drawn) for name in found}
    assert all(30 < count < 70 for count in counts.values())
    for voice in drawn[:12]:
        assert len(voice.speak("hey buster")) > 1000
    calls = installed.read_text()
    assert "-p alan -r " in calls
    assert '<speed level="' in calls
    assert "espeak-ng -v mb-us1 -s " in calls
    assert len(drawn[0].speak("[[h'eI]]")) > 1000  # phonemes are espeak-ng's


def test_what_is_not_installed_is_one_line(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    programs.voices.cache_clear()
    with pytest.raises(UserError, match=r"'rhvoice' is not installed: .* FROM voicekiln/wakeword"):
        engines.usable_engines("en", "espeak,rhvoice")
    with pytest.raises(UserError, match="no engine 'sam'; choose from kokoro, espeak"):
        engines.usable_engines("en", "sam")
