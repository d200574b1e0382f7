"""Augmentation specs: the syntax of DeepSpeech, every kind, what is refused."""

from pathlib import Path

import numpy as np
import pytest

from trainer.audio import io as audio
from trainer.audio.mfcc import AS_PUBLISHED, Features, cepstra
from trainer.corpora.utterance import Utterance
from trainer.errors import UserError
from trainer.stt.augmentation import KINDS, Range, parse
from trainer.stt.settings import SpeechSettings


@pytest.fixture
def clip(tmp_path, rng):
    samples = (
        0.2 * np.sin(np.arange(24000) * 0.05) * np.linspace(0, 1, 24000)
        + rng.normal(0, 0.01, 24000)
    ).astype(np.float32)
    audio.write_wav(tmp_path / "a.wav", samples)
    (tmp_path / "noise.csv").write_text("wav_filename,transcript\na.wav,\n")
    return Utterance(str(tmp_path / "a.wav"), "")


def test_syntax():
    entry = parse(
        "pitch[p=0.1,pitch=1:1.2~0.1] time_mask[domain=features,n=2]", AS_PUBLISHED
    ).entries
    assert (entry[0].probability, entry[0].values["pitch"], entry[0].domain) == (
        0.1,
        Range(1, 1.2, 0.1),
        "spectrogram",
    )
    assert entry[1].domain == "features"
    spaced = parse(
        "reverb[p=0.1, delay=50.0~30.0] overlay[source=/my dir/x.sdb,snr=3] volume", AS_PUBLISHED
    ).entries
    assert [e.name for e in spaced] == ["reverb", "overlay", "volume"]
    assert spaced[0].values["delay"] == Range(50, 50, 30)
    assert spaced[1].values["source"] == "/my dir/x.sdb"
    assert parse("warp[nt=2]", AS_PUBLISHED).entries[0].values["num_t"] == Range(2, 2)
    drawn = [Range(1, 2, 0.5).draw(0.5, np.random.default_rng(i)) for i in range(50)]
    assert 1 <= min(drawn) < 1.5 < max(drawn) <= 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("pich", "'pich' is not one of overlay, codec"),
        ("pitch[pich=1]", "pitch has no parameter 'pich'; there are p, pitch"),
        ("overlay[snr=3]", "overlay needs source="),
        ("codec[bitrate=low]", "'low' is no number"),
        ("reverb[domain=features]", "reverb works on sample, not on 'features'"),
        ("add[domain=sample]", "add works on features, signal, spectrogram, not on 'sample'"),
    ],
)
def test_refused(text, expected):
    with pytest.raises(UserError, match=expected.replace("[", r"\[")):
        parse(text, AS_PUBLISHED)


@pytest.mark.parametrize("name", sorted(KINDS))
def test_every_kind_changes_a_clip_repeatably(name, clip, tmp_path):
    plain = Features().log_mels(Features().padded(audio.read(tmp_path / "a.wav")))
    for domain in KINDS[name].domains:
        extra = f",domain={domain}" if len(KINDS[name].domains) > 1 else ""
        source = (
            f"source={tmp_path / 'noise.csv'}"
            if name == "overlay"
            else "warp_f=0.3"
            if name == "warp"
            else "p=1"
        )
        found = parse(f"{name}[{source}{extra}]", AS_PUBLISHED)
        made = []
        for _ in range(2):
            rng = np.random.default_rng(3)
            mels = found.log_mels([clip], [5], 0.5, rng)
            x = cepstra(mels[0])[None]
            found.mfccs(x, [x.shape[1]], 0.5, rng)
            made.append(x)
        assert np.array_equal(made[0], made[1])
        assert np.isfinite(made[0]).all()
        assert made[0].shape[1] != len(plain) or not np.allclose(
            made[0][0], cepstra(plain), atol=1e-3
        ), domain


def test_tempo_keeps_the_frames_that_the_text_needs(clip):
    assert (
        len(
            parse("tempo[factor=50]", AS_PUBLISHED).log_mels(
                [clip], [30], 0.0, np.random.default_rng(0)
            )[0]
        )
        >= 30
    )


def test_flags_of_0_7_are_mapped():
    s = SpeechSettings(
        data_aug_features_additive=0.2,
        augmentation_freq_and_time_masking=True,
        augmentation_pitch_and_tempo_scaling=True,
        augmentation_spec_dropout_keeprate=0.9,
        augment="volume",
    )
    assert s.augmentations(s.feature_win_step) == (
        "dropout[rate=0.1] frequency_mask[n=3,size=2.5~2.5] time_mask[n=3,size=20~20] "
        "pitch[pitch=1.075~0.125] tempo[factor=1.1~0.1] add[stddev=0.2] volume"
    )
    assert len(parse(s.augmentations(s.feature_win_step), s.features).entries) == 7


def test_flags_of_0_7_count_frames():
    s = SpeechSettings(augmentation_freq_and_time_masking=True, feature_win_step=10)
    assert "time_mask[n=3,size=10~10]" in s.augmentations(s.feature_win_step)


@pytest.mark.parametrize("rate", [8000, 22050, 44100])
@pytest.mark.parametrize(
    "entry", ["codec", "reverb", "resample[rate=6000]", "time_mask[domain=signal]"]
)
def test_other_rates(entry, rate, clip):
    features = Features(rate, 20, 20)
    made = parse(entry, features).log_mels([clip], [5], 0.0, np.random.default_rng(1))[0]
    plain = features.log_mels(features.padded(audio.read(Path(clip.path), to_hz=rate)))
    assert made.shape == plain.shape
    assert not np.allclose(made, plain, atol=1e-3)
    assert np.corrcoef(made.max(1), plain.max(1))[0, 1] > 0.6  # it still grows louder
