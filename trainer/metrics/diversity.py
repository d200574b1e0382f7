"""How different the members of a set are."""

import numpy as np


def vendi_score(embeddings: np.ndarray) -> float:
    """Effective number of different members (Friedman and Dieng 2023): 1 where all are alike, n
    where n have nothing in common. `embeddings`: (n, width), rows of unit length."""
    values = np.linalg.eigvalsh(embeddings @ embeddings.T / len(embeddings))
    values = values[values > 1e-12]
    return float(np.exp(-(values * np.log(values)).sum()))
