"""Starting weights from checkpoints of DeepSpeech 0.9.3 and Coqui STT 1.4 (TensorFlow 1 `Saver` files), label by label."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trainer.export.contract import shapes
from trainer.text import Alphabet

LAYERS = ("layer_2", "layer_3", "lstm", "layer_5", "layer_6")  # in the order in which drop_source_layers takes them, from the end


class CheckpointError(Exception):
    """A checkpoint that cannot be used; one line."""


@dataclass(frozen=True)
class Kept:
    """What became of one weight."""

    name: str
    fate: str


def read(folder: Path) -> dict[str, np.ndarray]:
    """The weights of the best checkpoint in `folder`, of the last where there is no best. Raises CheckpointError."""
    import tensorflow as tf

    for state in ("best_dev_checkpoint", "checkpoint"):
        if (folder / state).exists():
            prefix = tf.train.latest_checkpoint(str(folder), latest_filename=state)
            break
    else:
        raise CheckpointError(f"{folder}: neither best_dev_checkpoint nor checkpoint is there")
    if prefix is None:
        raise CheckpointError(f"{folder}: {state} names a checkpoint that is not there")
    reader = tf.train.load_checkpoint(prefix)
    there = reader.get_variable_to_shape_map()
    wanted = shapes(1, 1)
    missing = sorted(set(wanted) - set(there))
    if missing:
        raise CheckpointError(f"{prefix}: no {', '.join(missing)}: not a checkpoint of DeepSpeech 0.9 or Coqui STT 1.4")
    return {name: np.asarray(reader.get_tensor(name)) for name in wanted}


def read_alphabet_beside(folder: Path) -> Path:
    """alphabet.txt in the folder, as Coqui STT leaves it. Raises CheckpointError."""
    path = folder / "alphabet.txt"
    if not path.exists():
        raise CheckpointError(f"{folder}: holds no alphabet.txt (DeepSpeech leaves none): copy the alphabet that it was trained with there")
    return path


def transfer(
    fresh: Mapping[str, np.ndarray], given: Mapping[str, np.ndarray], old: Alphabet, new: Alphabet, drop_source_layers: int
) -> tuple[dict[str, np.ndarray], list[Kept]]:
    """(weights to start from, what became of each). Labels that both alphabets have keep their column, the others are new.

    Raises CheckpointError when the geometry differs.
    """
    hidden, found = len(fresh["layer_1/bias"]), len(given["layer_1/bias"])
    if hidden != found:
        raise CheckpointError(f"the checkpoint has n_hidden {found}, not {hidden}: set N_HIDDEN={found}")
    classes = given["layer_6/bias"].shape[0]
    if classes != len(old.labels) + 1:
        raise CheckpointError(f"the checkpoint has {classes} classes, its alphabet {len(old.labels)} labels and the blank")
    dropped = LAYERS[len(LAYERS) - min(drop_source_layers, len(LAYERS)) :] if drop_source_layers else ()
    weights, told = {}, []
    for name, value in fresh.items():
        if any(layer in name for layer in dropped):
            weights[name] = value
            told.append(Kept(name, "new (dropped)"))
        elif name.startswith("layer_6/") and old != new:
            pairs = [(new.labels.index(c), old.labels.index(c)) for c in new.labels if c in old.labels] + [(new.blank, old.blank)]
            moved = value.copy()
            for to, source in pairs:
                moved[..., to] = given[name][..., source]
            weights[name] = moved
            lost = "".join(c for c in old.labels if c not in new.labels)
            added = "".join(c for c in new.labels if c not in old.labels)
            told.append(Kept(name, f"{len(pairs)} labels kept, new: {added or 'none'}, dropped: {lost or 'none'}"))
        else:
            weights[name] = given[name]
            told.append(Kept(name, "kept"))
    return weights, told
