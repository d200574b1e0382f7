"""Training of the transformer: loss, dev figures, the loop."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

from trainer.code_engine.batches import LEAST_ROWS, SIZES, Batches, padded
from trainer.code_engine.prepared import Prepared
from trainer.code_engine.settings import CodeEngineSettings, Profile
from trainer.errors import UserError
from trainer.models import transformer
from trainer.training import checkpoint, devices
from trainer.training.callbacks import BestWeights, Callback, EarlyStopping, MetricsLog, Round
from trainer.training.loop import Loop
from trainer.training.optimizers import InverseSquareRoot, averaged_adamw, averaged_muon, cosine

DEV_PAIRS = 2000
SHORT_INPUT = 14  # tokens
WEIGHTS = "weights.npz"
VECTORS = "Wemb|_b[a-z0-9]*$|_ln_"  # names of what is no matrix
ADAM = {"beta_1": 0.9, "beta_2": 0.98, "epsilon": 1e-9}


def cross_entropy(smoothing: float) -> Any:
    """The mean of the cross-entropy over the tokens of a batch. `smoothing`: the share of the loss
    that goes to all tokens alike (Szegedy et al. 2016)."""

    def loss(targets: Any, logits: Any) -> Any:
        """(b, t), scaled so that the mean over it is that over its tokens."""
        targets = ops.cast(targets, "int32")
        weights = ops.cast(transformer.text_of(targets), "float32")
        found = token_losses(targets, logits)
        if smoothing:
            everywhere = -ops.mean(ops.log_softmax(logits), axis=-1)
            found = (1 - smoothing) * found + smoothing * everywhere
        size = ops.cast(ops.size(weights), "float32")
        return found * weights * (size / ops.sum(weights))

    return loss


def token_losses(targets: Any, logits: Any) -> Any:
    """(b, t) cross-entropies, also of padding."""
    return ops.sparse_categorical_crossentropy(targets, logits, from_logits=True)


class DevFigures(Callback):
    """dev_loss: cross-entropy a token; exact: share of pairs whose every token is the most likely
    one; the same of short inputs."""

    def __init__(self, pairs: Prepared, tokens: int, longest: int) -> None:
        """Of inputs with no more than `longest` tokens: the others lose context."""
        order = np.random.default_rng(0).permutation(len(pairs))
        short = order[pairs.input_lengths[order] <= SHORT_INPUT][: DEV_PAIRS // 2]
        self._groups = {
            "": grouped(pairs, order[:DEV_PAIRS], tokens, longest),
            "_short": grouped(pairs, short, tokens, longest),
        }

    def on_round_end(self, current: Round) -> None:
        for name, groups in self._groups.items():
            losses, exact = figures(current.model, groups)
            if len(losses):
                current.figures[f"dev_loss{name}"] = float(losses.mean())
                current.figures[f"exact{name}"] = float(exact.mean())


def figures(model: keras.Model, groups: Sequence[Any]) -> tuple[np.ndarray, np.ndarray]:
    """(cross-entropies of all tokens, whether each pair is exact)."""
    losses, exact = [np.zeros(0)], [np.zeros(0)]
    for (x, y), _ in groups:
        logits = model.predict_on_batch((x, y))
        mask = np.asarray(transformer.text_of(y))
        losses.append(np.asarray(token_losses(y, logits))[mask])
        exact.append(((np.argmax(logits, -1) == y) | ~mask).all(-1))
    return np.concatenate(losses), np.concatenate(exact)


def grouped(
    pairs: Prepared, chosen: Sequence[int] | np.ndarray, tokens: int, longest: int
) -> list[Any]:
    """Batches of some pairs, of similar length."""
    inputs = {int(i): len(pairs.input(int(i), longest)) for i in chosen}
    outputs = pairs.output_lengths
    order = sorted(map(int, chosen), key=lambda i: (inputs[i], outputs[i]))
    sizes, found, at = np.array(SIZES), [], 0
    while at < len(order):
        width = int(sizes[np.searchsorted(sizes, inputs[order[at]])])
        some = [order[at]]
        while at + len(some) < len(order) and len(some) * width < tokens:
            following = order[at + len(some)]
            if inputs[following] > width:
                break
            some.append(following)
        height = int(sizes[np.searchsorted(sizes, max(outputs[i] for i in some))])
        found.append(padded(pairs, np.array(some), longest, width, height))
        at += len(some)
    return found


def spec_of(s: CodeEngineSettings, vocabulary: int) -> transformer.Spec:
    """The geometry."""
    base = s.base
    return transformer.Spec(
        vocabulary, s.encoder_layers or base.encoder_layers,
        s.decoder_layers or base.decoder_layers, s.width, s.inner_width,
        s.heads, s.dropout,
    )  # fmt: skip


def model_of(spec: transformer.Spec, seed: int, mixed: bool = False) -> transformer.Transformer:
    """The model, seeded. `mixed`: computes in bfloat16, which has the range of 32 bits."""
    keras.utils.set_random_seed(seed)
    keras.config.set_dtype_policy("mixed_bfloat16" if mixed else "float32")
    model = transformer.build(spec)
    keras.config.set_dtype_policy("float32")
    return model


def train(s: CodeEngineSettings, spec: transformer.Spec, prepared: Path, out: Path) -> None:
    """weights.npz in `out`, from the checkpoint there, if any. Raises Stopped, UserError."""
    profile = s.resolved()
    if LEAST_ROWS % s.gpus:
        raise UserError(f"GPUS={s.gpus}: batches are shared by 1, 2, 4 or 8")
    pairs, dev = (Prepared.load(prepared / f"{split}.npz") for split in ("train", "dev"))
    if not len(dev):
        raise UserError("no pairs are left for the dev set: give more SOURCES")
    best = BestWeights("dev_loss", higher_is_better=False)
    callbacks = [
        DevFigures(dev, profile.batch_tokens, profile.lengths[-1][1]),
        best,
        MetricsLog(out),
        EarlyStopping("dev_loss", s.early_stopping, 0.0),
    ]
    batches = Batches(pairs, profile.steps, profile.batch_tokens, profile.lengths, s.seed)
    gpu = bool(devices.names_of())
    with devices.shared(s.gpus) as strategy:
        model = model_of(spec, s.seed, s.mixed_precision)
        loop = Loop(
            model, batches.batch, profile.steps, s.validate_every, out, callbacks,
            _optimizer(profile), cross_entropy(profile.label_smoothing), jit_compile=gpu,
            any_size=not gpu, strategy=strategy,
        )  # fmt: skip
        loop.run()
    for weight, value in zip(model.weights, best.mean(), strict=True):
        weight.assign(value)
    unfinished = out / "weights.tmp"
    with unfinished.open("wb") as file:
        weights: dict[str, Any] = {**transformer.weights_of(model)}
        np.savez(file, **weights)
    unfinished.replace(out / WEIGHTS)
    checkpoint.remove(out)  # last: until then a killed run resumes from it


def _optimizer(profile: Profile) -> keras.optimizers.Optimizer:
    if profile.schedule == "cosine":
        rate: Any = cosine(profile.steps, profile.learning_rate)
    else:
        rate = InverseSquareRoot(profile.learning_rate, profile.warm_up)
    if profile.optimizer == "muon":
        return averaged_muon(rate, profile.steps, 0.0, VECTORS, **ADAM)
    return averaged_adamw(rate, profile.steps, 0.0, **ADAM)
