import logging

import soundfile

from trainer.wakeword import samples


def test_each_engine_says_the_phrase_and_how(tmp_path, caplog):
    with caplog.at_level(logging.INFO, logger="trainer"):
        made = samples.write("agent_47", "en", "auto", 1, tmp_path)
    assert [path.name for path in made] == ["agent_47.wav", "agent_47_flite.wav"]
    for path in made:
        clip, rate = soundfile.read(path)
        assert rate == 16000
        assert 0.4 < len(clip) / rate < 3
        assert f"Sample available at {path}" in caplog.text
    assert "spoken as 'agent forty-seven'" in caplog.text
    assert "flite reads [ey jh ax n t f ao r t iy s eh v ax n]" in caplog.text
    assert "espeak reads ['eI dZ @ n t |" in caplog.text
    assert "voice " in caplog.text


def test_an_engine_that_reads_otherwise_says_nothing(tmp_path, caplog):
    with caplog.at_level(logging.INFO, logger="trainer"):
        made = samples.write("Jürgen", "en", "auto", 2, tmp_path)
    assert [path.name for path in made] == ["jürgen_1.wav", "jürgen_2.wav"]
    assert "engine flite is left out" in caplog.text


def test_neural_voices_speak_where_they_are(tmp_path, caplog, tiny_voices):
    tiny_voices(tmp_path / "tools" / "kokoro")
    with caplog.at_level(logging.INFO, logger="trainer"):
        made = samples.write("hey jarvis", "en", "auto", 2, tmp_path)
        other = samples.write("привет", "ru", "auto", 1, tmp_path)
    assert [path.name for path in made[-2:]] == [
        "hey_jarvis_kokoro_1.wav",
        "hey_jarvis_kokoro_2.wav",
    ]
    assert "kokoro reads [hˈA ʤˈɑɹvɪs]" in caplog.text
    assert [path.name for path in other] == ["привет.wav"]
    assert "kokoro is left out: kokoro has no voice for 'ru'" in caplog.text
