"""CTC's probabilities of the beginnings of texts."""

import itertools

import numpy as np
import pytest

from trainer.models.speech.prefixes import Prefixes
from trainer.text.alphabet import collapse

LABELS, BLANK = 2, 2
ALL = np.array([[0, 1], [0, 1]])  # labels of both rows


@pytest.fixture
def clips(rng):
    """Two clips, of four and three frames: log probabilities of two labels and blank."""
    chances = [rng.normal(0, 1.5, (frames, LABELS + 1)) for frames in (4, 3)]
    return [one - np.logaddexp.reduce(one, axis=-1, keepdims=True) for one in chances]


def of_all_paths(clip):
    """Text -> its probability, of every path through the clip."""
    found = {}
    for path in itertools.product(range(LABELS + 1), repeat=len(clip)):
        text = tuple(collapse(path, BLANK))
        chance = np.exp(sum(clip[t, label] for t, label in enumerate(path)))
        found[text] = found.get(text, 0.0) + chance
    return found


@pytest.mark.parametrize("texts", [((0, 0), (1, 0)), ((1, 1), (0, 1)), ((0, 1), (1, 1))])
def test_scores_are_those_of_all_paths(clips, texts):
    prefixes = Prefixes(clips)
    for step in range(3):
        found = np.exp(prefixes.next(ALL))
        for row, (clip, text) in enumerate(zip(clips, texts, strict=True)):
            chances, prefix = of_all_paths(clip), text[:step]
            whole = sum(c for t, c in chances.items() if t[:step] == prefix)
            for label in range(LABELS):
                longer = (*prefix, label)
                wanted = sum(c for t, c in chances.items() if t[: step + 1] == longer) / whole
                assert found[row, label] == pytest.approx(wanted, abs=1e-9)
            assert found[row, LABELS] == pytest.approx(chances.get(prefix, 0) / whole, abs=1e-9)
        if step < 2:
            prefixes.take([0, 1], np.array([text[step] for text in texts]))


def test_rows_are_exchanged(clips):
    prefixes = Prefixes([clips[0], clips[0]])
    prefixes.next(ALL)
    prefixes.take([1, 0], np.array([0, 1]))
    straight = Prefixes([clips[0], clips[0]])
    straight.next(ALL[:, ::-1])
    straight.take([0, 1], np.array([1, 0]))
    assert np.allclose(prefixes.next(ALL), straight.next(ALL)[::-1])
