"""The transformer of Marian: post-norm, sinusoidal positions, one embedding for source and target.

Vaswani et al. 2017, in the form that Marian (https://github.com/marian-nmt/marian) computes with
`transformer-postprocess: dan` and `tied-embeddings-all`; names and layout of weights are those of
its model.npz. Token 0 ends a text, and pads it.
"""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

Tensor = Any  # a tensor of TensorFlow or JAX, or a Keras tensor
EPSILON = 1e-6  # Marian's, for layer normalisation
FAR = -1e9
LONGEST = 1024  # tokens


@dataclass(frozen=True)
class Spec:
    """Geometry and dropout; the defaults are Serenade's auto-style."""

    vocabulary: int = 5500
    encoder_layers: int = 8
    decoder_layers: int = 8
    width: int = 96
    inner: int = 512
    heads: int = 4
    dropout: float = 0.1


def positions(width: int) -> np.ndarray:
    """(LONGEST, width) sines, then cosines. Marian divides the time scales by width / 2 - 1."""
    half = width // 2
    scales = np.exp(-np.arange(half) * np.log(10_000.0) / (half - 1))
    angles = np.arange(LONGEST)[:, None] * scales
    return np.concatenate([np.sin(angles), np.cos(angles)], 1).astype(np.float32)


class Norm(keras.layers.Layer):
    """Adds to the residual and normalises the last axis."""

    def __init__(self, name: str, **more: Any) -> None:
        super().__init__(**more)
        self.label = name

    def build(self, shape: Any) -> None:
        width = shape[-1]
        self.scale = self.add_weight((1, width), "ones", name=f"{self.label}_ln_scale")
        self.bias = self.add_weight((1, width), "zeros", name=f"{self.label}_ln_bias")

    def call(self, x: Tensor) -> Tensor:
        kind = x.dtype
        x = ops.cast(x, "float32")
        centred = x - ops.mean(x, axis=-1, keepdims=True)
        variance = ops.mean(ops.square(centred), axis=-1, keepdims=True)
        scale, bias = ops.cast(self.scale, "float32"), ops.cast(self.bias, "float32")
        return ops.cast(centred * ops.rsqrt(variance + EPSILON) * scale + bias, kind)


class Affine(keras.layers.Layer):
    """x W + b, of one or more matrices side by side (`parts`) in one product."""

    def __init__(self, parts: tuple[str, ...], width: int, **more: Any) -> None:
        super().__init__(**more)
        self.parts, self.width = parts, width

    def build(self, shape: Any) -> None:
        self.kernels = [
            self.add_weight((shape[-1], self.width), "glorot_uniform", name=part)
            for part in self.parts
        ]
        self.biases = [
            self.add_weight((1, self.width), "zeros", name=_bias(part)) for part in self.parts
        ]

    def call(self, x: Tensor) -> Tensor:
        if len(self.parts) == 1:
            return ops.matmul(x, self.kernels[0]) + self.biases[0]
        return ops.matmul(x, ops.concatenate(self.kernels, 1)) + ops.concatenate(self.biases, 1)


def _bias(kernel: str) -> str:
    """encoder_l1_self_Wq -> encoder_l1_self_bq."""
    head, _, tail = kernel.rpartition("_W")
    return f"{head}_b{tail}"


class Attention(keras.layers.Layer):
    """Attention with several heads, its residual and its normalisation."""

    def __init__(self, label: str, spec: Spec, **more: Any) -> None:
        super().__init__(**more)
        q, k, v, o = (f"{label}_W{part}" for part in "qkvo")
        self.spec, self.of_self = spec, label.endswith("self")
        parts = ((q, k, v),) if self.of_self else ((q,), (k, v))
        self.into = [Affine(names, spec.width) for names in parts]
        self.out = Affine((o,), spec.width)
        self.norm = Norm(o)
        self.drop = keras.layers.Dropout(spec.dropout)

    def call(self, x: Tensor, memory: Tensor, mask: Tensor, training: bool = False) -> Tensor:
        """`mask`: added to the scores, (b, 1, 1 or queries, keys)."""
        heads, width = self.spec.heads, self.spec.width
        if self.of_self:
            q, k, v = ops.split(self.into[0](x), 3, axis=-1)
        else:
            q = self.into[0](x)
            k, v = ops.split(self.into[1](memory), 2, axis=-1)

        def split(part: Tensor) -> Tensor:
            shape = (-1, ops.shape(part)[1], heads, width // heads)
            return ops.transpose(ops.reshape(part, shape), (0, 2, 1, 3))

        q, k, v = split(q), split(k), split(v)
        scores = ops.matmul(q, ops.transpose(k, (0, 1, 3, 2))) * (width // heads) ** -0.5
        shares = ops.softmax(scores + ops.cast(mask, scores.dtype), axis=-1)
        mixed = ops.transpose(ops.matmul(shares, v), (0, 2, 1, 3))
        mixed = ops.reshape(mixed, (-1, ops.shape(x)[1], width))
        return self.norm(x + self.drop(self.out(mixed), training=training))


class FeedForward(keras.layers.Layer):
    """Two affine layers with a ReLU between, their residual and normalisation."""

    def __init__(self, label: str, spec: Spec, **more: Any) -> None:
        super().__init__(**more)
        self.first = Affine((f"{label}_W1",), spec.inner)
        self.second = Affine((f"{label}_W2",), spec.width)
        self.norm = Norm(f"{label}_ffn")
        self.drop = keras.layers.Dropout(spec.dropout)

    def call(self, x: Tensor, training: bool = False) -> Tensor:
        inner = self.second(ops.relu(self.first(x)))
        return self.norm(x + self.drop(inner, training=training))


class Transformer(keras.Model):
    """(source (b, s), target (b, t)) -> logits (b, t, vocabulary); the targets are shifted here."""

    def __init__(self, spec: Spec, **more: Any) -> None:
        super().__init__(**more)
        self.spec = spec
        self.drop = keras.layers.Dropout(spec.dropout)
        self.encoder = [
            (Attention(f"encoder_l{i}_self", spec), FeedForward(f"encoder_l{i}_ffn", spec))
            for i in range(1, spec.encoder_layers + 1)
        ]
        self.decoder = [
            (
                Attention(f"decoder_l{i}_self", spec),
                Attention(f"decoder_l{i}_context", spec),
                FeedForward(f"decoder_l{i}_ffn", spec),
            )
            for i in range(1, spec.decoder_layers + 1)
        ]

    def build(self, shape: Any = None) -> None:
        spec = self.spec
        spread = keras.initializers.RandomNormal(stddev=spec.width**-0.5)
        self.table = self.add_weight((spec.vocabulary, spec.width), spread, name="Wemb")
        self.logit_bias = self.add_weight(
            (1, spec.vocabulary), "zeros", name="decoder_ff_logit_out_b"
        )
        self.places = positions(spec.width)
        self.built = True

    def call(self, inputs: tuple[Tensor, Tensor], training: bool = False) -> Tensor:
        source, target = inputs
        memory, mask = self.encoded(source, training)
        return self.decoded(target, memory, mask, training)

    def _embedded(self, tokens: Tensor) -> Tensor:
        table = ops.cast(self.table, self.compute_dtype)
        return ops.take(table, tokens, axis=0) * self.spec.width**0.5

    def _placed(self, x: Tensor, training: bool) -> Tensor:
        places = ops.cast(self.places, x.dtype)[: ops.shape(x)[1]]
        return self.drop(x + places, training=training)

    def encoded(self, source: Tensor, training: bool = False) -> tuple[Tensor, Tensor]:
        """States of the source and the mask of its padding."""
        mask = ops.where(text_of(source), 0.0, FAR)[:, None, None, :]
        x = self._placed(self._embedded(source), training)
        for attention, inner in self.encoder:
            x = inner(attention(x, x, mask, training=training), training=training)
        return x, mask

    def decoded(
        self, target: Tensor, memory: Tensor, mask: Tensor, training: bool = False
    ) -> Tensor:
        """Logits of each target token from those before it."""
        x = self._embedded(target[:, :-1])
        x = self._placed(ops.pad(x, ((0, 0), (1, 0), (0, 0))), training)
        length = ops.shape(target)[1]
        steps = ops.arange(length)
        causal = ops.where(steps[:, None] >= steps[None, :], 0.0, FAR)[None, None]
        for of_self, of_source, inner in self.decoder:
            x = of_self(x, x, causal, training=training)
            x = of_source(x, memory, mask, training=training)
            x = inner(x, training=training)
        table = ops.cast(self.table, self.compute_dtype)
        logits = ops.matmul(x, ops.transpose(table)) + ops.cast(self.logit_bias, x.dtype)
        return ops.cast(logits, "float32")


def text_of(tokens: Tensor) -> Tensor:
    """Which tokens belong to a text: up to its first 0, which ends it."""
    ends = ops.cast(tokens == 0, "int32")
    return ops.cumsum(ends, axis=-1) - ends == 0


def build(spec: Spec) -> Transformer:
    """The model with its weights made."""
    model = Transformer(spec)
    model.build()
    zeros = np.zeros((1, 4), np.int32)
    model((zeros, zeros))
    return model


def weights_of(model: Transformer) -> dict[str, np.ndarray]:
    """Marian's names -> values."""
    return {v.name: np.asarray(v, np.float32) for v in model.trainable_variables}


def load_weights(model: Transformer, weights: dict[str, np.ndarray]) -> None:
    """Set to what `weights_of` returned."""
    for variable in model.trainable_variables:
        variable.assign(weights[variable.name])
