"""Marian's files: model.npz with its configuration inside, vocab.yml, config.yml.

Marian 1.12 (https://github.com/marian-nmt/marian) loads them as its own. CTranslate2 computes other
positions than Marian (it divides the time scales by half of the width, Marian by one less), but
takes a table of them, `Wpos`, which Marian ignores.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from trainer.models.transformer import Spec, positions

MODEL, CONFIG, VOCABULARY, PIECES = "model.npz", "config.yml", "vocab.yml", "vocab.spm"
VERSION = "v1.12.0"
POSITIONS = 512


def model_options(spec: Spec) -> dict[str, Any]:
    """What Marian stores in a model: the geometry, and its defaults for what is not used."""
    return {
        "bert-train-type-embeddings": True,
        "bert-type-vocab-size": 2,
        "dec-cell": "gru",
        "dec-cell-base-depth": 2,
        "dec-cell-high-depth": 1,
        "dec-depth": spec.decoder_layers,
        "dim-emb": spec.width,
        "dim-rnn": 1024,
        "dim-vocabs": [spec.vocabulary, spec.vocabulary],
        "enc-cell": "gru",
        "enc-cell-depth": 1,
        "enc-depth": spec.encoder_layers,
        "enc-type": "bidirectional",
        "factors-combine": "sum",
        "factors-dim-emb": 0,
        "input-types": [],
        "layer-normalization": False,
        "lemma-dependency": "",
        "lemma-dim-emb": 0,
        "output-omit-bias": False,
        "right-left": False,
        "skip": False,
        "tied-embeddings": False,
        "tied-embeddings-all": True,
        "tied-embeddings-src": False,
        "transformer-aan-activation": "swish",
        "transformer-aan-depth": 2,
        "transformer-aan-nogate": False,
        "transformer-decoder-autoreg": "self-attention",
        "transformer-decoder-dim-ffn": 0,
        "transformer-decoder-ffn-depth": 0,
        "transformer-depth-scaling": False,
        "transformer-dim-aan": 2048,
        "transformer-dim-ffn": spec.inner,
        "transformer-ffn-activation": "relu",
        "transformer-ffn-depth": 2,
        "transformer-guided-alignment-layer": "last",
        "transformer-heads": spec.heads,
        "transformer-no-affine": False,
        "transformer-no-bias": False,
        "transformer-no-projection": False,
        "transformer-pool": False,
        "transformer-postprocess": "dan",
        "transformer-postprocess-emb": "d",
        "transformer-postprocess-top": "",
        "transformer-preprocess": "",
        "transformer-rnn-projection": False,
        "transformer-tied-layers": [],
        "transformer-train-position-embeddings": False,
        "type": "transformer",
        "ulr": False,
        "ulr-dim-emb": 0,
        "ulr-trainable-transformation": False,
        "unlikelihood-loss": False,
        "version": VERSION,
    }


def write_model(weights: Mapping[str, np.ndarray], spec: Spec, path: Path) -> None:
    """model.npz; the same bytes for the same weights."""
    import yaml

    options = yaml.safe_dump(model_options(spec)).encode() + b"\0"
    arrays: dict[str, Any] = dict(sorted(weights.items())) | {
        "Wpos": positions(spec.width)[:POSITIONS],
        "special:model.yml": np.frombuffer(options, np.int8),
    }
    with path.open("wb") as out:
        np.savez(out, **arrays)


def write_vocabulary(names: Sequence[str], path: Path) -> None:
    """Token: number, a line each. In single quotes: the readers of Marian and CTranslate2 agree
    about these."""
    lines = ("'{}': {}\n".format(name.replace("'", "''"), i) for i, name in enumerate(names))
    path.write_text("".join(lines), encoding="utf-8")


def write_config(vocabulary: str, beam: int, longest: int, factor: int, path: Path) -> None:
    """config.yml of marian-decoder and marian-server, next to the model. `longest`: tokens of an
    output; `factor`: the same as a multiple of the input's."""
    import yaml

    options = {
        "models": [MODEL],
        "vocabs": [vocabulary, vocabulary],
        "relative-paths": True,
        "beam-size": beam,
        "normalize": 0,
        "word-penalty": 0,
        "mini-batch": 64,
        "maxi-batch": 100,
        "maxi-batch-sort": "src",
        "max-length": longest,
        "max-length-factor": factor,
        "n-best": True,
        "word-scores": True,
        "cpu-threads": 2,
    }
    path.write_text(yaml.safe_dump(options, sort_keys=False), encoding="utf-8")
