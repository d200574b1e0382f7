"""Starting weights from checkpoints of DeepSpeech 0.9.3 and Coqui STT 1.4, label by label.

Format: TensorFlow 1 `Saver` files, which are also written for others to start from.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trainer.errors import UserError
from trainer.log import log
from trainer.models.speech.deepspeech import shapes
from trainer.steps import fingerprint
from trainer.text.alphabet import Alphabet, ByteAlphabet, read_alphabet

# drop_source_layers takes them from the end
LAYERS = ("layer_2", "layer_3", "lstm", "layer_5", "layer_6")


@dataclass(frozen=True)
class Kept:
    """The fate of one weight."""

    name: str
    fate: str


@dataclass(frozen=True)
class Start:
    """Weights to start from, their alphabet, and a key of their content."""

    weights: dict[str, np.ndarray]
    alphabet: Alphabet
    key: str


def read_start(folder: Path, n_hidden: int, alphabet_file: Path | None = None) -> Start:
    """A checkpoint and its alphabet, or `alphabet_file` if none lies beside it. Raises UserError
    (also for another width)."""
    weights = read(folder)
    found = len(weights["layer_1/bias"])
    if found != n_hidden:
        raise UserError(
            f"{folder}: the checkpoint has n_hidden {found}, not {n_hidden}: set N_HIDDEN={found}"
        )
    classes = weights["layer_6/bias"].shape[0]
    path = folder / "alphabet.txt"
    in_bytes = classes == 256 and (
        not path.exists() or path.read_bytes().startswith(b"# bytes_output_mode")
    )
    beside = path if path.exists() or not alphabet_file else alphabet_file
    alphabet = ByteAlphabet() if in_bytes else read_alphabet(_existing(beside))
    if classes != len(alphabet.labels) + 1:
        raise UserError(
            f"{folder}: the checkpoint has {classes} classes, which do not match its alphabet: "
            f"{len(alphabet.labels)} labels and the blank"
        )
    return Start(weights, alphabet, fingerprint(folder))


def read(folder: Path) -> dict[str, np.ndarray]:
    """The weights of the best checkpoint in `folder`, or of the last. Raises UserError."""
    import tensorflow as tf

    for state in ("best_dev_checkpoint", "checkpoint"):
        if (folder / state).exists():
            prefix = tf.train.latest_checkpoint(str(folder), latest_filename=state)
            break
    else:
        raise UserError(
            f"{folder}: holds neither best_dev_checkpoint nor checkpoint: give a folder "
            "with starting weights (checkpoints of this training are kept in DATA_DIR)"
        )
    if prefix is None:
        raise UserError(f"{folder}: {state} names a checkpoint that does not exist")
    try:
        reader = tf.train.load_checkpoint(prefix)
        there = reader.get_variable_to_shape_map()
        wanted = shapes(1, 1, any("LayerNorm" in name for name in there))
        missing = sorted(set(wanted) - set(there))
        if missing:
            raise UserError(
                f"{prefix}: not of DeepSpeech 0.9 or Coqui STT 1.4: no {', '.join(missing)}"
            )
        return {name: np.asarray(reader.get_tensor(name)) for name in wanted}
    except (tf.errors.OpError, RuntimeError) as error:
        raise UserError(f"{prefix}: cannot be read ({str(error).splitlines()[0]})") from error


def write(weights: Mapping[str, np.ndarray], alphabet: Alphabet, folder: Path) -> None:
    """Write a best checkpoint with its alphabet, from which DeepSpeech and Coqui STT can start."""
    import tensorflow as tf

    folder.mkdir(exist_ok=True)
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        variables = [
            tf.compat.v1.get_variable(name, initializer=value)
            for name, value in sorted(weights.items())
        ]
        step = tf.compat.v1.get_variable("global_step", initializer=np.int64(0))
        session.run(tf.compat.v1.global_variables_initializer())
        saver = tf.compat.v1.train.Saver([*variables, step])
        saver.save(
            session,
            str(folder / "best_dev"),
            global_step=0,
            latest_filename="best_dev_checkpoint",
            write_meta_graph=False,
        )
    # TensorFlow writes the folder's own path into it
    (folder / "best_dev_checkpoint").write_text(
        'model_checkpoint_path: "best_dev-0"\nall_model_checkpoint_paths: "best_dev-0"\n'
    )
    alphabet.write(folder / "alphabet.txt")


def _existing(path: Path) -> Path:
    """alphabet.txt, as Coqui STT leaves it. Raises UserError."""
    if not path.exists():
        raise UserError(
            f"{path.parent}: holds no {path.name}: add the one from its training, or give "
            "ALPHABET_CONFIG_PATH"
        )
    return path


def transfer(
    fresh: Mapping[str, np.ndarray], start: Start, new: Alphabet, drop_source_layers: int
) -> tuple[dict[str, np.ndarray], list[Kept]]:
    """(weights to start from, fate of each). Labels of both alphabets keep their column."""
    old, given = start.alphabet, start.weights
    dropped = (
        LAYERS[len(LAYERS) - min(drop_source_layers, len(LAYERS)) :] if drop_source_layers else ()
    )
    weights, fates = {}, []
    for name, value in fresh.items():
        if any(layer in name for layer in dropped):
            weights[name] = value
            fates.append(Kept(name, "new (dropped)"))
        elif name not in given:
            weights[name] = value
            fates.append(Kept(name, "new (the checkpoint has none)"))
        elif name.startswith("layer_6/") and old != new:
            pairs = [
                (new.labels.index(c), old.labels.index(c)) for c in new.labels if c in old.labels
            ] + [(new.blank, old.blank)]
            moved = value.copy()
            for to, source in pairs:
                moved[..., to] = given[name][..., source]
            weights[name] = moved
            lost = "".join(c for c in old.labels if c not in new.labels)
            added = "".join(c for c in new.labels if c not in old.labels)
            fates.append(
                Kept(
                    name,
                    f"{len(pairs)} labels kept, new: {added or 'none'}, dropped: {lost or 'none'}",
                )
            )
        else:
            weights[name] = given[name]
            fates.append(Kept(name, "kept"))
    fates += [
        Kept(name, "left out (no layer_norm here: set LAYER_NORM=1)")
        for name in given
        if name not in fresh
    ]
    for kept in fates:
        log.info("  %-75s %s", kept.name, kept.fate)
    return weights, fates
