"""Batches of like lengths, voices changed, the CTC loss by enumeration, intervals of error
rates."""

import itertools
import logging

import numpy as np
import pytest

from trainer.audio.mfcc import AS_PUBLISHED
from trainer.audio.spec_augment import other_voice
from trainer.corpora.utterance import Utterance
from trainer.errors import UserError
from trainer.store import build
from trainer.stt.batches import Changes, batch_of
from trainer.stt.losses import Unusable
from trainer.stt.preparation import Clips, Joined, Mels
from trainer.text.alphabet import collapse
from trainer.training.buckets import FRAMES_MULTIPLE, Batches, frames_needed
from trainer.training.callbacks import (
    BestWeights,
    EarlyStopping,
    MetricsLog,
    ReduceOnPlateau,
    Round,
    Scored,
)
from trainer.training.ctc import agreeing, ctc
from trainer.training.optimizers import ScaledRate


def ramps(plan, chunk):
    rng = np.random.default_rng(0)
    for i in range(23):
        yield rng.normal(0, 1, (10 + 7 * i, 40)).astype(np.float32), i, -1


@pytest.fixture
def clips(tmp_path, workers):
    build(tmp_path, ramps, None, 1, "ramps", workers)
    labels = [np.arange(1 + i % 5, dtype=np.int32) for i in range(23)]
    return Clips(
        Mels(tmp_path), labels, [Utterance(f"{i}.wav", "") for i in range(23)], AS_PUBLISHED
    )


def test_an_epoch_holds_each_clip_once_and_the_longest_come_first(clips):
    batches = Batches(clips.frames.index["length"], clips.features.frames(0.96), 4, 1)
    epoch = [batches.numbers(step) for step in range(batches.per_epoch)]
    drawn = np.concatenate(epoch)
    assert len(set(drawn.tolist())) == len(drawn) == 20
    assert set(epoch[0].tolist()) == {22, 21, 20, 19}
    again = Batches(clips.frames.index["length"], clips.features.frames(0.96), 4, 1)
    assert np.array_equal(again.numbers(13), batches.numbers(13))
    lengths = clips.frames.index["length"][batches.numbers(7)]
    assert np.ptp(lengths) <= 2 * FRAMES_MULTIPLE


def test_batches_are_padded_with_their_lengths(clips):
    x, y, weights = batch_of(clips, np.array([0, 5]), clips.longest)
    assert x.shape == (2, -(-45 // FRAMES_MULTIPLE) * FRAMES_MULTIPLE, 26)
    assert y[:, 0].tolist() == [10, 45]
    assert y[1, :4].tolist() == [45, 1, 5, 0]
    assert (x[0, 10:] == 0).all()
    assert (x[0, :10] != 0).any()
    assert weights.tolist() == [1, 1]
    changed = batch_of(
        clips, np.array([0, 5]), clips.longest, np.random.default_rng(0), Changes(voices=1.0)
    )[0]
    assert not np.array_equal(changed, x)
    assert np.array_equal(
        changed,
        batch_of(
            clips, np.array([0, 5]), clips.longest, np.random.default_rng(0), Changes(voices=1.0)
        )[0],
    )


def test_changed_clips_keep_the_frames_that_their_text_needs(rng):
    mels = rng.normal(0, 1, (12, 40)).astype(np.float32)
    lengths = {len(other_voice(mels.copy(), 12, rng, 1.0, AS_PUBLISHED)) for _ in range(50)}
    assert min(lengths) == 12
    assert max(lengths) > 12
    assert frames_needed("hello") == 6


def test_ctc_is_the_sum_over_all_paths(rng):
    logits = rng.normal(0, 1, (1, 4, 3)).astype(np.float32)
    chances = np.exp(logits[0]) / np.exp(logits[0]).sum(-1, keepdims=True)
    total = sum(
        np.prod([chances[t, c] for t, c in enumerate(path)])
        for path in itertools.product(range(3), repeat=4)
        if collapse(path, 2) == [0, 0]
    )
    assert float(ctc(np.array([[4, 2, 9, 0, 0]]), logits)[0]) == pytest.approx(
        -np.log(total), rel=1e-4
    )


def test_two_views_of_a_clip_are_as_long_and_say_the_same_in_other_noise(clips):
    x, y, weights = batch_of(
        clips,
        np.array([3, 5, 8]),
        clips.longest,
        np.random.default_rng(0),
        Changes(voices=1.0, views=2),
    )
    assert len(x) == len(y) == len(weights) == 6
    assert np.array_equal(y[:3], y[3:])
    assert all(not np.array_equal(one, other) for one, other in zip(x[:3], x[3:], strict=True))
    assert ((x[:3] == 0).all(2) == (x[3:] == 0).all(2)).all()


def test_views_that_disagree_cost_their_divergence_in_frames_that_are_there(rng):
    logits = rng.normal(0, 1, (2, 5, 3)).astype(np.float32)
    targets = np.array([[4, 1, 9, 0]] * 2)
    one, other = logits[:, :4].astype(float) - np.log(
        np.exp(logits[:, :4].astype(float)).sum(-1, keepdims=True)
    )
    apart = [np.sum(np.exp(b) * (b - a)) for a, b in ((one, other), (other, one))]
    assert np.allclose(
        agreeing(0.5, targets, logits) - ctc(targets, logits), 0.5 * np.array(apart), rtol=1e-4
    )
    same = np.repeat(logits[:1], 2, 0)
    assert np.allclose(agreeing(0.5, targets, same), ctc(targets, same))


def test_what_does_not_fill_a_batch_changes(clips):
    batches = Batches(clips.frames.index["length"], clips.features.frames(0.96), 4, 1)
    counts = np.bincount(
        np.concatenate([batches.numbers(step) for step in range(40 * batches.per_epoch)]),
        minlength=23,
    )
    assert counts.min() > 25
    assert counts.sum() == 800


def test_batches_of_so_many_frames_hold_each_clip_once(clips):
    batches = Batches(clips.frames.index["length"], clips.features.frames(0.96), 4, 1, frames=600)
    lengths = clips.frames.index["length"]
    for epoch in range(20):
        drawn = [batches.numbers(epoch * batches.per_epoch + k) for k in range(batches.per_epoch)]
        padded = [
            len(numbers) * -(-lengths[numbers].max() // FRAMES_MULTIPLE) * FRAMES_MULTIPLE
            for numbers in drawn
        ]
        assert max(padded) <= 600
        assert epoch or padded[0] == max(padded)
        assert sorted(np.concatenate(drawn)) == list(range(23))
    sizes = {len(numbers) for numbers in drawn}
    assert len(sizes) > 2
    assert batches.mean_size == 23 / batches.per_epoch


def test_lines_after_a_checkpoint_are_written_again(tmp_path):
    log = MetricsLog(tmp_path)
    states = []
    for step in (1, 2, 3):
        log.on_round_end(Round(None, step, 9, {"loss": 1.0}))
        states.append(log.state())
    with (tmp_path / "metrics.jsonl").open("a") as out:
        out.write('{"step": 4, "lo')
    again = MetricsLog(tmp_path)
    assert again.state() == states[2]
    again.restore(states[0])
    assert (tmp_path / "metrics.jsonl").read_text() == '{"step": 1, "loss": 1.0}\n'


def test_several_sets_are_one(clips):
    both = Joined([clips.frames, clips.frames])
    assert len(both) == 46
    assert np.array_equal(both.raw(25), clips.frames.raw(2))


def test_a_clip_whose_loss_is_not_finite_is_named_and_left_out(clips, caplog, monkeypatch):
    import tensorflow as tf

    monkeypatch.setattr(logging.getLogger("trainer"), "propagate", True)
    unusable = Unusable(clips)
    logits = np.zeros((3, 6, 6), np.float32)
    logits[1] = np.nan
    targets = np.array([[6, 1, 4, 2], [6, 1, 7, 2], [6, 1, 9, 2]])
    with caplog.at_level("WARNING"), tf.GradientTape() as tape:
        x = tf.constant(logits)
        tape.watch(x)
        loss = unusable.loss(targets, x)
    assert np.isfinite(loss).all()
    assert loss[1] == 0 < loss[0] == loss[2]
    gradient = tape.gradient(loss, x).numpy()
    assert np.isfinite(gradient).all()
    assert not gradient[1].any()
    assert "7.wav: the loss of this clip is not finite" in caplog.text
    unusable.check()
    unusable.numbers |= set(range(20))
    with pytest.raises(UserError, match="smaller LEARNING_RATE"):
        unusable.check()


class Weight:
    value = 1.0

    def assign(self, value):
        self.value = value


class Model:
    def __init__(self):
        self.weights = [Weight()]


def test_early_stop_and_plateau():
    best, rate, model = BestWeights("cer", higher_is_better=False), ScaledRate(0.1), Model()
    best.best = [Scored(0.1, [0.5])]
    callbacks = [
        EarlyStopping("dev_loss", 3, 0.05),
        ReduceOnPlateau("dev_loss", 2, 0.05, rate, 0.1, best),
    ]
    seen = []
    for loss in (1.0, 0.97, 1.2, 1.3):
        current = Round(model, 1, 9, {"dev_loss": loss})
        for callback in callbacks:
            callback.on_round_end(current)
        for callback in callbacks:
            callback.before_next_round(current)
        seen.append(current.stop)
    assert seen == [False, False, False, True]
    assert model.weights[0].value == 0.5
    assert float(rate(0)) == pytest.approx(0.01)


def test_the_best_weights_and_of_equal_ones_the_later():
    best = BestWeights("cer", higher_is_better=False, count=2)
    for step, cer in enumerate((0.3, 0.2, 0.5, 0.2)):
        model = type("M", (), {"weights": [np.full(2, step, np.float32)]})
        best.on_round_end(Round(model, step, 9, {"cer": cer}))
    assert [one.weights[0][0] for one in best.best] == [3, 1]
    assert best.mean()[0].tolist() == [2, 2]
    again = BestWeights("cer", higher_is_better=False, count=2)
    again.restore(best.state())
    assert again.mean()[0].tolist() == [2, 2]
