"""The three forms of a model give equal outputs; batches and checkpoints give equal training."""

import os
import signal

import keras
import numpy as np
import pytest

from trainer import models
from trainer.audio.micro_frontend import FEATURE_STEP
from trainer.errors import Stopped
from trainer.store import build
from trainer.training.callbacks import Callback
from trainer.training.loop import Loop
from trainer.training.optimizers import averaged_adamw, cosine
from trainer.wakeword.batches import Hard, Source, draw_batch
from trainer.wakeword.frames import Frames


def randomised(spec, rng):
    model = models.build(spec)
    for weight in model.weights:
        value = np.asarray(weight)
        if "seed" in weight.path:
            continue
        if value.ndim == 1:
            weight.assign(value + rng.uniform(0, 0.3, value.shape).astype(value.dtype))
        else:  # keeps the signal's size through the layers
            weight.assign(value * rng.uniform(1, 2, value.shape).astype(value.dtype))
    return model


SPECS = [
    models.spec_of("mixednet"),
    models.spec_of(
        "mixednet",
        pointwise_filters=(16, 16),
        repeat_in_block=(1, 2),
        mixconv_kernel_sizes=((3,), (5, 7)),
        residual_connection=(False, True),
        final_steps=6,
        stride=2,
        first_conv_filters=8,
    ),
    models.spec_of("inception", final_steps=10),
]


@pytest.mark.parametrize("spec", SPECS, ids=["mixednet", "mixednet-residual", "inception"])
def test_whole_window_scan_and_stream_agree(spec, rng):
    from trainer.models.streaming import copy_weights

    model = randomised(spec, rng)
    scan, stream = models.build(spec, "scan"), models.build(spec, "stream")
    copy_weights(model, scan)
    copy_weights(model, stream)
    x = rng.integers(0, 256, (1, spec.frames + 10 * spec.stride, 40), dtype=np.uint8)
    windows = np.concatenate(
        [x[:, at : at + spec.frames] for at in range(0, 10 * spec.stride + 1, spec.stride)]
    )
    whole = np.asarray(model.predict_on_batch(windows))[:, 0]
    along = np.asarray(scan.predict_on_batch(x))[0]
    assert np.std(whole) > 1e-2
    assert np.allclose(whole, along, rtol=1e-3, atol=1e-3 * np.abs(whole).max())
    steps = [
        float(
            np.asarray(stream(x[:, at : at + spec.stride].astype(np.float32) * FEATURE_STEP))[0, 0]
        )
        for at in range(0, x.shape[1], spec.stride)
    ]
    wanted = 1 / (1 + np.exp(-whole))
    assert np.allclose(steps[-11:], wanted, atol=2e-3)


def test_size_is_the_references():
    spec = models.spec_of("mixednet")
    assert (models.build(spec).count_params(), spec.frames) == (26049, 204)


@pytest.mark.parametrize(
    "changes", [{"residual_connection": (False,)}, {"first_conv_kernel_size": 2}]
)
def test_specs_that_cannot_be_are_refused_before_training(changes):
    with pytest.raises(ValueError, match="differ in length|at least the stride"):
        models.spec_of("mixednet", **changes)


def ramps(plan, chunk):
    for i in range(6):
        yield np.full((260, 40), 40 * i + 1, np.uint8), i, 220


@pytest.fixture
def sources(tmp_path, workers):
    build(tmp_path, ramps, None, 1, "ramps", workers)
    frames = Frames(tmp_path)
    return [
        Source("good", frames, np.array([0, 1, 2]), 0.5, 1.0, after_mark=(2, 32)),
        Source("bad", frames, np.array([3, 4, 5]), 0.5, 0.0),
    ]


def test_batch_is_a_function_of_seed_and_step(sources):
    first, again, other = (draw_batch(sources, [], 0.5, 32, 204, 1, step) for step in (7, 7, 8))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0], other[0])


def test_windows_lie_inside_their_clip_and_carry_its_label(sources):
    x, labels, weights = draw_batch(sources, [], 0.5, 200, 204, 1, 3)
    for row, label in zip(x, labels[:, 0], strict=True):
        values = set(np.unique(row)) - {0}  # zero where masked
        assert len(values) == 1
        assert (values.pop() > 100) == (label == 0)
    assert 60 < labels.sum() < 140
    started = (x[labels[:, 0] == 0, :40] == 0).all(
        (1, 2)
    )  # longer than any mask: before the clip, the device was off
    assert 0.05 < started.mean() < 0.4
    assert (weights == 1).all()


def test_hard_windows_are_drawn(sources):
    start = int(sources[1].frames.index["start"][4])
    x, labels, _ = draw_batch(sources, [Hard(1, np.array([start + 210]))], 1.0, 64, 204, 1, 3)
    assert {v for row in x[labels[:, 0] == 0] for v in np.unique(row)} <= {0, 161}


class Stopping(Callback):
    """Asks the process to stop after one round."""

    def __init__(self, step):
        self.step = step

    def on_round_end(self, current):
        if current.step == self.step:
            os.kill(os.getpid(), signal.SIGTERM)


def test_interrupted_training_ends_with_the_same_weights(tmp_path, sources):
    # has dropout: its seeds count
    spec = models.spec_of("inception", final_steps=6, filters=(4, 4, 4), first_filters=8)

    def train(folder, steps_before_stop):
        folder.mkdir()

        def batch(step):
            return draw_batch(sources, [], 0.5, 16, spec.frames, 1, step)

        for _ in range(2):
            keras.utils.set_random_seed(5)
            model = models.build(spec)
            callbacks = [
                Stopping(steps_before_stop),
                keras.callbacks.EarlyStopping("loss", patience=9),
            ]
            optimizer = averaged_adamw(cosine(30, 1e-3), 30, 0.4)
            loss = keras.losses.BinaryCrossentropy(from_logits=True)
            try:
                Loop(model, batch, 30, 10, folder, callbacks, optimizer, loss).run()
            except Stopped:
                continue
            return [np.asarray(w) for w in model.weights]
        raise AssertionError("did not finish")

    straight, resumed = train(tmp_path / "a", 0), train(tmp_path / "b", 10)
    assert all(np.array_equal(a, b) for a, b in zip(straight, resumed, strict=True))
