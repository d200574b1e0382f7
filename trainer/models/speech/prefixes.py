"""CTC prefix scores for joint CTC/attention decoding (Watanabe et al. 2017, algorithm 2): they keep
the decoder from repeating or skipping words."""

from collections.abc import Sequence

import numpy as np
from scipy.special import logsumexp

NEVER = -1e30


class Prefixes:
    """One text in each row, empty at first.

    `log_probabilities`: (frames, labels and blank) for each row.
    """

    def __init__(self, log_probabilities: Sequence[np.ndarray]) -> None:
        frames, classes = max(map(len, log_probabilities)), log_probabilities[0].shape[1]
        self._emitted = np.full((len(log_probabilities), frames, classes), NEVER)
        self._emitted[:, :, -1] = 0.0  # behind its end, a clip has blanks
        for row, one in enumerate(log_probabilities):
            self._emitted[row, : len(one)] = one
        blank = np.cumsum(self._emitted[:, :, -1], 1)
        self._paths = np.stack([np.full_like(blank, NEVER), blank], -1)  # end: label, blank
        self._first = np.ones(len(blank), bool)
        self._last = np.full(len(blank), -1)
        self._total = np.zeros(len(blank))

    def next(self, labels: np.ndarray) -> np.ndarray:
        """Log probabilities that one of `labels` (rows, n) follows, or the end: (rows, n + 1)."""
        blank_emitted = self._emitted[..., -1:]
        emitted = np.take_along_axis(self._emitted, labels[:, None], 2)
        before = np.logaddexp(self._paths[..., 0], self._paths[..., 1])[..., None]
        repeated = labels == self._last[:, None]  # needs a blank between
        before = np.where(repeated[:, None], self._paths[..., 1:], before)
        start = np.where(self._first, 0.0, NEVER)[:, None, None]
        before = np.concatenate([np.broadcast_to(start, before[:, :1].shape), before[:, :-1]], 1)
        begun = before + emitted  # the new label's first frame
        paths = np.full((*begun.shape, 2), NEVER)
        ends, blank = paths[:, 0, :, 0], paths[:, 0, :, 1]
        for t in range(begun.shape[1]):
            ends, blank = (
                np.logaddexp(ends + emitted[:, t], begun[:, t]),
                np.logaddexp(ends, blank) + blank_emitted[:, t],
            )
            paths[:, t, :, 0], paths[:, t, :, 1] = ends, blank
        self._labels, self._after = labels, paths
        whole = np.logaddexp(self._paths[:, -1, 0], self._paths[:, -1, 1])
        self._totals = logsumexp(begun, axis=1)
        found = np.concatenate([self._totals, whole[:, None]], 1) - self._total[:, None]
        return np.asarray(np.maximum(found, NEVER))

    def take(self, rows: Sequence[int], labels: np.ndarray) -> None:
        """Row i becomes the text of row `rows[i]` followed by `labels[i]`, one of those that `next`
        was given."""
        places = (self._labels[rows] == labels[:, None]).argmax(1)
        self._emitted = self._emitted[rows]
        self._paths = self._after[rows, :, places]
        self._total = self._totals[rows, places]
        self._last = labels
        self._first = np.zeros(len(rows), bool)
