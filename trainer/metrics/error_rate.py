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


def aligned(reference: Sequence[str], hypothesis: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs along one shortest path, last words first; empty where one has no counterpart."""
    table = [
        [i + j if not i * j else 0 for j in range(len(hypothesis) + 1)]
        for i in range(len(reference) + 1)
    ]
    for i, x in enumerate(reference, 1):
        for j, y in enumerate(hypothesis, 1):
            table[i][j] = min(
                table[i - 1][j] + 1, table[i][j - 1] + 1, table[i - 1][j - 1] + (x != y)
            )
    found = []
    i, j = len(reference), len(hypothesis)
    while i or j:
        if i and j:
            wrong = reference[i - 1] != hypothesis[j - 1]
            if table[i][j] == table[i - 1][j - 1] + wrong:
                i, j = i - 1, j - 1
                found.append((reference[i], hypothesis[j]))
                continue
        if i and table[i][j] == table[i - 1][j] + 1:
            i -= 1
            found.append((reference[i], ""))
        else:
            j -= 1
            found.append(("", hypothesis[j]))
    return found


def error_kinds(references: Sequence[str], hypotheses: Sequence[str]) -> dict[str, int]:
    """Words inserted, deleted and substituted, in all clips, along one shortest path."""
    total = {"insertions": 0, "deletions": 0, "substitutions": 0}
    for reference, hypothesis in zip(references, hypotheses, strict=True):
        for a, b in aligned(reference.split(), hypothesis.split()):
            if a != b:
                total["insertions" if not a else "substitutions" if b else "deletions"] += 1
    return total


def error_rate(counts: np.ndarray) -> float:
    """Edits of all clips divided by the total length of their references."""
    return float(counts[:, 0].sum() / counts[:, 1].sum())
