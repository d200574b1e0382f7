"""Word and character error rates: edits between reference and hypothesis."""

from collections.abc import Sequence

import numpy as np


def edit_distance(reference: Sequence[object], hypothesis: Sequence[object]) -> int:
    """Insertions, deletions and substitutions between the two (Levenshtein)."""
    row = list(range(len(hypothesis) + 1))
    for i, a in enumerate(reference, 1):
        above, row[0] = row[0], i
        for j, b in enumerate(hypothesis, 1):
            above, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, above + (a != b))
    return row[-1]


def edit_counts(
    references: Sequence[str], hypotheses: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """(words, characters): (clips, 2) each, edits and length of the reference."""
    pairs = list(zip(references, hypotheses, strict=True))
    words = np.array(
        [(edit_distance(a.split(), b.split()), len(a.split())) for a, b in pairs], float
    )
    return words, np.array([(edit_distance(a, b), len(a)) for a, b in pairs], float)


def error_kinds(references: Sequence[str], hypotheses: Sequence[str]) -> dict[str, int]:
    """Words inserted, deleted and substituted, in all clips, along one shortest path."""
    total = {"insertions": 0, "deletions": 0, "substitutions": 0}
    for a, b in zip(references, hypotheses, strict=True):
        wanted, found = a.split(), b.split()
        table = [
            [i + j if not i * j else 0 for j in range(len(found) + 1)]
            for i in range(len(wanted) + 1)
        ]
        for i, x in enumerate(wanted, 1):
            for j, y in enumerate(found, 1):
                table[i][j] = min(
                    table[i - 1][j] + 1, table[i][j - 1] + 1, table[i - 1][j - 1] + (x != y)
                )
        i, j = len(wanted), len(found)
        while i or j:
            if i and j and table[i][j] == table[i - 1][j - 1] + (wanted[i - 1] != found[j - 1]):
                total["substitutions"] += wanted[i - 1] != found[j - 1]
                i, j = i - 1, j - 1
            elif i and table[i][j] == table[i - 1][j] + 1:
                total["deletions"] += 1
                i -= 1
            else:
                total["insertions"] += 1
                j -= 1
    return total


def error_rate(counts: np.ndarray) -> float:
    """Edits of all clips divided by the total length of their references."""
    return float(counts[:, 0].sum() / counts[:, 1].sum())
