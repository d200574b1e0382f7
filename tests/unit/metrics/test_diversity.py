import numpy as np
import pytest

from trainer.metrics.diversity import vendi_score


def test_vendi_score_counts_different_members():
    assert vendi_score(np.eye(5)) == pytest.approx(5)
    assert vendi_score(np.ones((5, 1))) == pytest.approx(1)
    pairs = np.repeat(np.eye(3), 2, axis=0)
    assert vendi_score(pairs) == pytest.approx(3)
