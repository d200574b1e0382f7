import numpy as np
import pytest

from trainer.audio import augment
from trainer.audio import noise as sounds
from trainer.store import Clips, audio_row, build


def rows(plan, chunk):
    kind, count = plan
    for i in range(count):
        rng = np.random.default_rng([chunk, i])
        yield audio_row(
            sounds.room_response(rng) if kind == "room" else sounds.noise_clip(rng, 2.0), i
        )


@pytest.fixture
def stores(tmp_path, workers):
    for kind in ("room", "noise"):
        (tmp_path / kind).mkdir()
        build(tmp_path / kind, rows, (kind, 3), 1, kind, workers)
    return Clips(tmp_path / "room"), [Clips(tmp_path / "noise")]


def test_same_seed_same_clip_other_seed_another(stores, say):
    change = augment.Augmenter(augment.Chain(), *stores, 51200)
    word = say("computer")
    first, again, other = (change(word, 20000, np.random.default_rng(s)) for s in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert first.shape == (51200,)
    assert np.abs(first).max() <= 1


def test_word_stays_where_it_was_put(stores, say):
    chain = augment.Chain(noise=0, color_noise=0, room=1, pitch=0, level_change=0)
    word, found = say("computer"), []
    for seed in range(8):
        clip = augment.Augmenter(chain, *stores, 51200)(word, 20000, np.random.default_rng(seed))
        energy = np.convolve(clip**2, np.ones(800), "same")
        found.append(np.flatnonzero(energy > 0.05 * energy.max())[0])
    assert all(19000 < at < 24000 for at in found)


def test_nothing_drawn_changes_only_the_level(stores):
    chain = augment.Chain(
        *([0.0] * 2),
        tilt_db_per_octave=0,
        distortion=0,
        pitch=0,
        band_stop=0,
        low_pass=0,
        room=0,
        noise=0,
        color_noise=0,
        peak_db=(0, 0),
        level_change=0,
        overdrive=0,
    )
    clip = augment.Augmenter(chain, *stores, 1000)(
        np.linspace(-0.5, 0.5, 1000, dtype=np.float32), 0, np.random.default_rng(0)
    )
    assert np.allclose(clip, np.linspace(-1, 1, 1000), atol=1e-5)


def test_noise_is_mixed_at_the_ratio_asked_for(stores, say):
    names = (
        "equalizer",
        "distortion",
        "pitch",
        "band_stop",
        "low_pass",
        "room",
        "color_noise",
        "level_change",
        "overdrive",
    )
    quiet = {**dict.fromkeys(names, 0.0), "peak_db": (0.0, 0.0)}
    word = say("computer")[:8000]
    clips = [
        augment.Augmenter(augment.Chain(noise=1, noise_snr_db=(snr, snr), **quiet), *stores, 16000)(
            word, 0, np.random.default_rng(3)
        )
        for snr in (0.0, 20.0)
    ]
    ratio = [np.sqrt(np.mean(c[9000:] ** 2)) / np.sqrt(np.mean(c[:8000] ** 2)) for c in clips]
    assert ratio[0] > 4 * ratio[1]


def test_room_begins_with_its_direct_sound(rng):
    response = sounds.room_response(rng)
    assert np.argmax(np.abs(response)) < 0.05 * 16000
    assert np.sum(response[8000:] ** 2) < np.sum(response[:8000] ** 2)
