import struct

import av
import numpy as np
import pytest
import soundfile

from trainer.audio import io as audio
from trainer.audio.decode import AudioError, opened

TONE = 0.3 * np.sin(2 * np.pi * 440 / 16000 * np.arange(16000 * 3)).astype(np.float32)
FORMATS = [
    ("a.m4a", "aac", 44100), ("a.aac", "aac", 16000), ("a.mp4", "aac", 48000),
    ("a.3gp", "aac", 16000), ("a.webm", "libopus", 48000), ("a.mka", "libopus", 48000),
    ("a.oga", "libopus", 48000), ("a.caf", "alac", 16000), ("a.amr", "libopencore_amrnb", 8000),
]  # fmt: skip


def write(path, codec, rate, container=None, samples=TONE, layout="mono"):
    """Samples (a tone of three seconds) in a format of phones and browsers."""
    forms = {"a.aac": "adts", "a.oga": "ogg"}
    with av.open(str(path), "w", format=container or forms.get(path.name)) as out:
        stream = out.add_stream(codec, rate=rate, layout=layout)
        given = av.AudioFrame.from_ndarray(samples[None, :], format="flt", layout="mono")
        given.sample_rate = 16000
        size = stream.codec_context.frame_size or 1024
        form = av.AudioResampler(stream.codec_context.format, layout, rate, frame_size=size)
        for frame in form.resample(given) + form.resample(None):
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))


@pytest.mark.parametrize(("name", "codec", "rate"), FORMATS)
def test_what_phones_and_browsers_record(tmp_path, name, codec, rate):
    write(tmp_path / name, codec, rate)
    samples = audio.read(tmp_path / name)
    assert len(samples) / 16000 == pytest.approx(3.0, abs=0.15)
    assert audio.rms(samples[8000:40000]) == pytest.approx(0.3 / 2**0.5, abs=0.04)
    part = audio.read(tmp_path / name, 1.0, 1.5)
    assert len(part) == pytest.approx(8000, abs=2)
    hertz = np.argmax(np.abs(np.fft.rfft(part * np.hanning(len(part))))) * 16000 / len(part)
    assert hertz == pytest.approx(440, abs=3)


def test_parts_of_a_file_are_where_they_were(tmp_path):
    write(tmp_path / "a.webm", "libopus", 48000)
    whole, part = audio.read(tmp_path / "a.webm"), audio.read(tmp_path / "a.webm", 1.0, 2.0)
    assert np.abs(part[500:-500] - whole[16500:31500]).max() < 0.02


def test_the_name_does_not_decide(tmp_path):
    write(tmp_path / "a.m4a", "aac", 16000)
    (tmp_path / "a.m4a").rename(tmp_path / "b.wav")
    assert len(audio.read(tmp_path / "b.wav")) > 40000


@pytest.mark.parametrize("name", ["a.m4a", "a.webm", "a.aac"])
def test_damaged_files_are_named(tmp_path, name):
    _, codec, rate = next(one for one in FORMATS if one[0] == name)
    write(tmp_path / name, codec, rate)
    data = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(data[: len(data) // 2])
    with pytest.raises(AudioError, match="decoded|cut off"):
        audio.read(tmp_path / name)


@pytest.mark.parametrize("data", [b"", b"x" * 999, b"notes: buy milk\n", b"\x89PNG\r\n"])
def test_what_is_no_sound_is_named(tmp_path, data):
    (tmp_path / "a.m4a").write_bytes(data)
    with pytest.raises(AudioError, match="cannot be decoded"):
        audio.read(tmp_path / "a.m4a")


def test_names_may_be_any_bytes(tmp_path):
    for format_, name in (("WAV", b"caf\xe9.wav"), ("", b"caf\xe9.m4a")):
        write(tmp_path / "a.m4a", "aac", 16000)
        if format_:
            soundfile.write(tmp_path / "a.m4a", TONE, 16000, format=format_)
        path = tmp_path / name.decode(errors="surrogateescape")
        (tmp_path / "a.m4a").rename(path)
        assert len(audio.read(path)) > 40000
        with opened(path) as file:
            assert file.samplerate == 16000


def test_a_length_that_is_guessed_is_not_believed(tmp_path, rng):
    """Raw AAC has no header with a length; silence takes few bits, noise many."""
    noise = rng.normal(0, 0.1, 16000 * 3).astype(np.float32)
    quiet = np.zeros(16000 * 5, np.float32)
    write(tmp_path / "a.aac", "aac", 16000, samples=np.concatenate([quiet, noise, quiet]))
    assert len(audio.read(tmp_path / "a.aac")) / 16000 == pytest.approx(13, abs=0.2)
    part = audio.read(tmp_path / "a.aac", 5.5, 7.5)
    assert audio.rms(part) == pytest.approx(0.1, rel=0.2)


def test_channels_may_change_inside_a_file(tmp_path):
    write(tmp_path / "a.aac", "aac", 16000)
    mono = (tmp_path / "a.aac").read_bytes()
    write(tmp_path / "a.aac", "aac", 16000, layout="stereo")
    (tmp_path / "a.aac").write_bytes(mono + (tmp_path / "a.aac").read_bytes())
    assert len(audio.read(tmp_path / "a.aac")) / 16000 == pytest.approx(6, abs=0.3)


def test_a_form_without_a_decoder_is_named(tmp_path):
    """FFmpeg recognises the container, not what is in it."""
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 3, 8000, 8000 * 15, 15, 36)
    body = b"WAVE" + form + struct.pack("<4sI", b"data", 1500) + bytes(1500)
    (tmp_path / "a.wav").write_bytes(struct.pack("<4sI", b"RIFF", len(body)) + body)
    with pytest.raises(AudioError, match="cannot be decoded"), opened(tmp_path / "a.wav"):
        pass
