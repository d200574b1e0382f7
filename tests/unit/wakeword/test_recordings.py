import numpy as np
import pytest
import soundfile

from trainer import rejected
from trainer.audio.decode import AudioError
from trainer.audio.io import to_int16
from trainer.errors import UserError
from trainer.rejected import Rejected
from trainer.steps import fingerprint
from trainer.wakeword import captured, recordings
from trainer.wakeword.recordings import FilesPlan, files_of, read_take


@pytest.fixture
def word(say, rng):
    samples = rng.normal(0, 1e-3, 32000).astype(np.float32)
    spoken = say("computer")[:14000]
    samples[8000 : 8000 + len(spoken)] += spoken
    return samples


@pytest.mark.parametrize(
    ("name", "rate", "channels"),
    [("a.wav", 16000, 1), ("a.flac", 8000, 2), ("a.ogg", 48000, 2), ("a.mp3", 44100, 1)],
)
def test_usual_formats_are_trimmed_to_the_phrase(tmp_path, word, name, rate, channels):
    import soxr

    samples = soxr.resample(word, 16000, rate)
    soundfile.write(tmp_path / name, np.stack([samples] * channels, 1), rate)
    (clip,) = read_take(tmp_path / name).trimmed()
    assert 0.4 < len(clip) / 16000 < 1.2


def made(tmp_path, kind, word, rng):
    path = tmp_path / f"{kind}.wav"
    if kind == "corrupt":
        path.write_bytes(b"RIFFxxxx")
    elif kind == "long":
        soundfile.write(path, rng.normal(0, 0.1, 8000 * 610).astype(np.float32), 8000)
    else:
        samples = {
            "empty": word[:0],
            "short": word[:1000],
            "silent": word * 0,
            "clipped": np.sign(word) * (np.abs(word) > 0.001),
            "talk": np.tile(word[8000:20000], 6),
            "noise": rng.normal(0, 0.1, 20000),
        }[kind]
        soundfile.write(path, np.asarray(samples, np.float32), 16000, subtype="FLOAT")
    return path


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("corrupt", "decoded"),
        ("empty", "no audio"),
        ("short", "too short: 0.06 s"),
        ("silent", "silent"),
        ("clipped", "clipped"),
        ("long", "longer than 10 minutes"),
        ("talk", "more speech than the phrase"),
    ],
)
def test_unusable_files_are_rejected_with_the_reason(tmp_path, word, rng, kind, why):
    path = made(tmp_path, kind, word, rng)
    with pytest.raises(AudioError, match=why):
        read_take(path)
    plan = FilesPlan((str(path),), whole=False)
    (found,) = recordings.read_chunk(plan, 0)
    assert isinstance(found, Rejected)
    assert why in found.reason


def test_whole_recordings_come_in_pieces(tmp_path, rng):
    soundfile.write(
        tmp_path / "tv.wav", rng.normal(0, 0.1, (16000 * 25, 2)).astype(np.float32), 16000
    )
    rows = list(recordings.read_chunk(FilesPlan((str(tmp_path / "tv.wav"),), whole=True), 0))
    assert [round(len(r[0]) / 16000) for r in rows] == [10, 10, 5]


def test_folder_without_audio(tmp_path):
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(UserError, match="holds no audio"):
        files_of(tmp_path)
    with pytest.raises(UserError, match="no such folder"):
        files_of(tmp_path / "nowhere")


@pytest.mark.parametrize(("seconds", "usable"), [(0.05, False), (0.15, True), (0.4, True)])
def test_short_negatives_are_used_or_rejected(tmp_path, rng, seconds, usable):
    count = int(16000 * seconds)
    soundfile.write(tmp_path / "a.wav", rng.normal(0, 0.1, count).astype(np.float32), 16000)
    (found,) = recordings.read_chunk(FilesPlan((str(tmp_path / "a.wav"),), whole=True), 0)
    if usable:
        assert len(found[0]) == count
    else:
        assert found.reason == "too short: less than 0.1 s"


def test_the_rest_of_a_recording_is_kept(tmp_path, rng):
    soundfile.write(tmp_path / "a.wav", rng.normal(0, 0.1, 164_000).astype(np.float32), 16000)
    rows = list(recordings.read_chunk(FilesPlan((str(tmp_path / "a.wav"),), whole=True), 0))
    assert [len(row[0]) for row in rows] == [164_000]


def test_a_take_of_many_phrases_gives_them_all(tmp_path, say, rng):
    phrase = say("computer")
    parts = []
    for _ in range(20):
        parts += [
            phrase * np.float32(rng.uniform(0.4, 1)),
            np.zeros(int(16000 * rng.uniform(0.7, 1.5))),
        ]
    parts.insert(6, np.zeros(16000))
    parts.insert(6, say("now a sentence that is certainly longer than the phrase is itself"))
    take = np.concatenate(parts).astype(np.float32)
    take += rng.normal(0, 1e-3, len(take)).astype(np.float32)
    soundfile.write(tmp_path / "take.wav", take, 16000)
    found = list(recordings.read_chunk(FilesPlan((str(tmp_path / "take.wav"),), whole=False), 0))
    clips = [one for one in found if not isinstance(one, Rejected)]
    refused = [one for one in found if isinstance(one, Rejected)]
    assert len(clips) == 20
    assert [one.reason.split(":")[0] for one in refused] == ["more speech than the phrase"]
    assert refused[0].detail.startswith("at ")


def test_what_is_wrong_with_a_recording_is_told(tmp_path, word, rng):
    hum = 0.02 * np.sin(2 * np.pi * 50 / 16000 * np.arange(len(word)))
    changed = {
        "quiet": word / 100,
        "offset": word + 0.05,
        "hum": word + hum,
        "cancelling": np.stack([word, -word], 1),
        "one side": np.stack([word * 0, word], 1),
        "fine": word,
    }
    for name, samples in changed.items():
        soundfile.write(tmp_path / f"{name}.wav", samples.astype(np.float32), 16000, "FLOAT")
    remarks = {p.stem: read_take(p).quality.remarks() for p in tmp_path.glob("*.wav")}
    assert remarks["fine"] == []
    assert "quiet" in remarks["quiet"][0]
    assert remarks["offset"] == ["offset (+0.050, removed)"]
    assert "hum" in remarks["hum"][0]
    assert "channels cancel" in remarks["cancelling"][0]
    assert "right only" in remarks["one side"][0]
    (clip,) = read_take(tmp_path / "cancelling.wav").trimmed()
    assert np.abs(clip).max() > 0.1
    assert read_take(tmp_path / "offset.wav").samples.mean() == pytest.approx(0, abs=1e-3)


def test_every_file_is_used_or_listed(tmp_path, word):
    soundfile.write(tmp_path / "a.wav", word, 16000)
    soundfile.write(tmp_path / "b.dat", word, 16000, format="FLAC")
    (tmp_path / "notes.txt").write_text("buy milk")
    (tmp_path / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
    latin = tmp_path / b"caf\xe9.wav".decode(errors="surrogateescape")
    soundfile.write(tmp_path / "c.wav", word, 16000)
    (tmp_path / "c.wav").rename(latin)
    files = files_of(tmp_path)
    assert len(files) == 5
    plan = FilesPlan(tuple(map(str, files)), whole=False)
    found = [one for n in range(5) for one in recordings.read_chunk(plan, n)]
    refused = [one for one in found if isinstance(one, Rejected)]
    assert len(found) - len(refused) == 3
    assert sorted(one.path.rsplit("/", 1)[1] for one in refused) == [".DS_Store", "notes.txt"]
    rejected.write(tmp_path / "rejected.csv", [Rejected(str(latin), "x")])
    assert rejected.read(tmp_path / "rejected.csv")[0].path.endswith(r"caf\udce9.wav")
    assert len(fingerprint(files)) == 16


def test_one_recording_in_both_folders_is_a_contradiction(tmp_path, word):
    samples = to_int16(word)
    for name in ("own", "other"):
        (tmp_path / name).mkdir()
    soundfile.write(tmp_path / "own" / "a.wav", samples, 16000)
    soundfile.write(tmp_path / "other" / "b.flac", samples[:-1], 16000)
    both = files_of(tmp_path / "own"), files_of(tmp_path / "other")
    recordings.check_no_contradiction(*both)
    soundfile.write(tmp_path / "other" / "b.flac", samples, 16000)
    with pytest.raises(UserError, match=r"own/a\.wav = .*other/b\.flac"):
        recordings.check_no_contradiction(*both)


def test_one_file_is_a_folder_of_one(tmp_path, word):
    soundfile.write(tmp_path / "a.wav", word, 16000)
    assert files_of(tmp_path / "a.wav") == [tmp_path / "a.wav"]


def test_captured_files_of_any_name_are_found_again(tmp_path, word):
    soundfile.write(tmp_path / "a.wav", word, 16000)
    latin = tmp_path / b"caf\xe9.wav".decode(errors="surrogateescape")
    (tmp_path / "a.wav").rename(latin)
    text = "file,wake,remark\ncaf\udce9.wav,yes,mine\n"
    (tmp_path / "captured.csv").write_text(text, encoding="utf-8", errors="surrogateescape")
    assert captured.read(tmp_path) == ([latin], [])
