"""CTranslate2's folders, converted from Marian's files, and the proof that they agree with Keras.

https://github.com/OpenNMT/CTranslate2, MIT.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from trainer.code_engine.export import marian
from trainer.errors import UserError
from trainer.models import transformer

FOLDER, FLOAT, SMALL = "ctranslate2", "float32", "int8"
CONFIG = "config.json"
TOLERANCE = 1e-4  # of log-probabilities
PROVED = 100  # inputs


def write(folder: Path, names: Sequence[str]) -> None:
    """ctranslate2/float32 and ctranslate2/int8 of a folder with model.npz. Raises UserError."""
    from ctranslate2.converters import MarianConverter

    # pieces of SentencePiece need a vocabulary in Marian's form: CTranslate2 reads no other
    vocabulary = folder / "ctranslate2.yml"
    marian.write_vocabulary(names, vocabulary)
    converter = MarianConverter(str(folder / marian.MODEL), [str(vocabulary), str(vocabulary)])
    for kind in (FLOAT, SMALL):
        quantization = None if kind == FLOAT else kind
        out = folder / FOLDER / kind
        converter.convert(str(out), quantization=quantization, force=True)
        # its converter leaves the default, 1e-5: log-probabilities would differ by up to 3e-4
        config = json.loads((out / CONFIG).read_text(encoding="utf-8"))
        config["layer_norm_epsilon"] = transformer.EPSILON
        (out / CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    vocabulary.unlink()


def load(folder: Path, kind: str, threads: int = 1) -> Any:
    """ctranslate2.Translator of an engine's folder. Raises UserError for damaged files."""
    import ctranslate2

    path = folder / FOLDER / kind
    try:
        return ctranslate2.Translator(
            str(path), device="cpu", compute_type=kind, inter_threads=threads, intra_threads=1
        )
    except (RuntimeError, ValueError, IndexError) as error:
        raise UserError(
            f"{path}: cannot be loaded ({error}): the folder is not complete; copy it again"
        ) from error


@dataclass(frozen=True)
class Agreement:
    """`difference`: the largest of log-probabilities; `equal`: best hypotheses of CTranslate2 that
    are those of Keras, of `inputs`."""

    difference: float
    equal: int
    inputs: int


def prove(
    model: transformer.Transformer, folder: Path, names: Sequence[str],
    pairs: Sequence[tuple[np.ndarray, np.ndarray]],
) -> Agreement:  # fmt: skip
    """Compare on pairs of numbers, each with its end. Raises UserError if log-probabilities differ
    by more than 1e-4."""
    translator = load(folder, FLOAT)
    sources = [[names[n] for n in x[:-1]] for x, _ in pairs]
    targets = [[names[n] for n in y[:-1]] for _, y in pairs]
    worst = 0.0
    scored = translator.score_batch(sources, targets)
    x, y = _side_by_side([x for x, _ in pairs]), _side_by_side([y for _, y in pairs])
    logits = np.asarray(model((x, y)), np.float64)
    right = np.take_along_axis(logits, y[..., None], -1)[..., 0]
    expected = right - np.logaddexp.reduce(logits, axis=-1)
    for row, found in zip(expected, scored, strict=True):
        there = np.array(found.log_probs)
        worst = max(worst, float(np.abs(there - row[: len(there)]).max()))
    longest = max(len(y) for _, y in pairs) + 8
    best = translator.translate_batch(
        sources, beam_size=1, max_decoding_length=longest, disable_unk=True
    )
    greedy = _greedy(model, [x for x, _ in pairs], longest)
    equal = sum(
        [names[n] for n in mine] == theirs.hypotheses[0]
        for mine, theirs in zip(greedy, best, strict=True)
    )
    if worst > TOLERANCE:
        raise UserError(
            f"the exported model differs from the trained one: log-probabilities by {worst:.2g} "
            f"(at most {TOLERANCE:g}); this is a fault of the export, please report it"
        )
    return Agreement(worst, equal, len(pairs))


def _side_by_side(texts: Sequence[np.ndarray]) -> np.ndarray:
    """One row each, padded with 0."""
    found = np.zeros((len(texts), max(map(len, texts))), np.int32)
    for row, text in enumerate(texts):
        found[row, : len(text)] = text
    return found


def _greedy(
    model: transformer.Transformer, sources: Sequence[np.ndarray], longest: int
) -> list[list[int]]:
    """The most likely token after the other, never <unk>; of all sources at once."""
    memory, mask = model.encoded(_side_by_side(sources))
    y = np.zeros((len(sources), longest + 2), np.int32)
    for at in range(longest):
        logits = np.array(model.decoded(y[:, : at + 2], memory, mask)[:, at])
        logits[:, 1] = -np.inf
        ended = at > 0 and (y[:, :at] == 0).any(1)
        y[:, at] = np.where(ended, 0, logits.argmax(-1))
        if (y[:, : at + 1] == 0).any(1).all():
            break
    return [row[: int(np.argmax(row == 0))].tolist() for row in y]
