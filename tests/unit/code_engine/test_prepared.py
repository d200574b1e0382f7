"""Pairs as numbers, and batches of them."""

import random

import numpy as np
import pytest

from trainer.code_engine import prepared
from trainer.code_engine.batches import SIZES, Batches, Stage, padded
from trainer.code_engine.prepared import Prepared
from trainer.errors import UserError
from trainer.spoken_code.pairs import AUTO_STYLE, LANGUAGE_MODEL


def written(folder, count=900):
    rng = random.Random(1)
    for split, n in (("train", count), ("dev", 40), ("test", 40)):
        sources, targets = [], []
        for _ in range(n):
            words = [rng.choice("alpha beta gamma delta".split()) for _ in range(3)]
            context = [rng.choice("x y = NL SP".split()) for _ in range(rng.randrange(40))]
            sources.append(" ".join(["CTX", *context, "ENG", *words]))
            targets.append(" SP ".join(words))
        (folder / f"{split}.input").write_text("\n".join(sources) + "\n")
        (folder / f"{split}.output").write_text("\n".join(targets) + "\n")
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    corpus = written(tmp_path_factory.mktemp("corpus"))
    out = tmp_path_factory.mktemp("prepared")
    prepared.prepare(corpus, AUTO_STYLE, 50, 1, out)
    return out


def names_of(folder, numbers):
    names = prepared.coder_in(folder, AUTO_STYLE).names
    return [names[n] for n in numbers]


def test_pairs_are_numbered_and_end(folder):
    pairs = Prepared.load(folder / "train.npz")
    assert len(pairs) == 900
    first = names_of(folder, pairs.input(0, 200))
    assert first[0] == "CTX"
    assert first[-5] == "ENG"
    assert first[-1] == "</s>"
    assert names_of(folder, pairs.output(0)) == [
        *[word for one in first[-4:-1] for word in (one, "SP")][:-1],
        "</s>",
    ]


def test_a_short_input_keeps_what_is_said_and_the_nearest_context(folder):
    pairs = Prepared.load(folder / "train.npz")
    i = int(np.argmax(pairs.input_lengths))
    whole, short = (names_of(folder, pairs.input(i, n)) for n in (200, 12))
    assert len(short) == 12
    assert short[0] == "CTX"
    assert short[1:] == whole[-11:]


def test_batches_depend_on_the_step_alone_and_hold_every_pair(folder):
    pairs = Prepared.load(folder / "train.npz")
    one = Stage(pairs, 200, 400, (1, 0), 0, 1000)
    seen = set()
    for step in range(one.per_epoch):
        numbers, width, height = one.batch(step)
        assert width in SIZES
        assert height in SIZES
        assert len(numbers) * max(width, height) <= max(400, 8 * max(width, height))
        seen |= set(numbers.tolist())
    assert seen == set(range(900))
    two = Stage(pairs, 200, 400, (1, 0), 0, 1000)
    last = two.batch(one.per_epoch + 3)[0].tolist()
    assert one.batch(one.per_epoch + 3)[0].tolist() == last


def test_a_stage_without_inputs_so_short_takes_the_shortest(folder):
    stage = Stage(Prepared.load(folder / "train.npz"), 3, 400, (1, 0), 0, 10)
    assert stage.per_epoch >= 1
    assert len(stage.batch(0)[0]) >= 8


def test_training_begins_with_short_inputs(folder):
    pairs = Prepared.load(folder / "train.npz")
    batches = Batches(pairs, 100, 400, ((0.5, 16), (1.0, 200)), 1)
    assert all(batches.batch(step)[0][0].shape[1] <= 16 for step in range(50))
    assert max(batches.batch(step)[0][0].shape[1] for step in range(50, 100)) > 32


def test_padding_is_zero(folder):
    pairs = Prepared.load(folder / "dev.npz")
    (x, y), targets = padded(pairs, np.array([0, 1]), 200, 64, 16)
    assert x.shape == (2, 64)
    assert (targets == y).all()
    assert (x[0, pairs.input_lengths[0] - 1 :] == 0).all()


def test_too_few_pairs_are_told(tmp_path):
    with pytest.raises(UserError, match="only 20 pairs"):
        prepared.prepare(written(tmp_path, 20), AUTO_STYLE, 50, 1, tmp_path)


def test_pieces_have_marians_numbers(tmp_path):
    corpus = written(tmp_path)
    prepared.prepare(corpus, LANGUAGE_MODEL, 60, 1, tmp_path)
    coder = prepared.coder_in(tmp_path, LANGUAGE_MODEL)
    assert list(coder.names[:2]) == ["</s>", "<unk>"]
    pairs = Prepared.load(tmp_path / "test.npz")
    text = coder.model.decode(pairs.output(0)[:-1].tolist())
    assert text == (tmp_path / "test.output").read_text().splitlines()[0]
    again = tmp_path / "again"
    again.mkdir()
    prepared.prepare(corpus, LANGUAGE_MODEL, 60, 1, again)
    assert (again / "pieces.spm").read_bytes() == (tmp_path / "pieces.spm").read_bytes()
