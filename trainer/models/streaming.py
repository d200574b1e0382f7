"""Streaming convolution layers over time, each in three forms that share weights.

- `train`: whole windows as matrix products. A depthwise convolution is a product with a banded
  (Toeplitz) matrix, and activations are (channels, time, batch), so every operation is one large
  product and XLA fuses the rest: on two cores 62 steps/s for the reference's MixedNet, against 30
  for library layers and 3 for XLA's own depthwise kernel.
- `scan`: ordinary convolutions over sequences of any length, one output every stride.
- `stream`: the same convolutions on `stride` new frames, with a ring buffer of past rows in each
  layer: the exported form.

All convolutions are `valid`, so the three give equal outputs (Rybakov et al. 2020).
"""

from typing import Any, Literal, Protocol

import keras
import numpy as np
from keras import ops

Form = Literal["train", "scan", "stream"]
Tensor = Any
BATCH_NORM_EPSILON = 1e-3


class StreamingSpec(Protocol):
    """What all streaming models have: a frozen dataclass with these."""

    stride: int

    @property
    def context(self) -> int:
        """Frames of 10 ms that one output depends on."""

    @property
    def frames(self) -> int:
        """The context in whole strides: length of a training window."""


class StreamLayer(keras.layers.Layer):
    """Base of the layers below: knows its form and keeps the ring buffer of the `stream` form."""

    def __init__(self, form: Form, name: str) -> None:
        super().__init__(name=name)
        self.form = form
        self.ring: Tensor = None

    def channels_of(self, shape: tuple[int | None, ...]) -> int:
        """Channels of an input in this layer's form."""
        return int(shape[0 if self.form == "train" else -1] or 0)

    def add_ring(self, rows: int, channels: int) -> None:
        """A buffer of the last `rows` rows, (1, rows, 1, channels), zero at the start."""
        if self.form == "stream" and rows > 0:
            self.ring = self.add_weight(
                shape=(1, rows, 1, channels), initializer="zeros", trainable=False, name="ring"
            )

    def with_past(self, x: Tensor) -> Tensor:
        """Past rows and `x` (1, t, 1, channels) joined; keeps the newest rows for the next call."""
        if self.ring is None:
            return x
        joined = ops.concatenate([self.ring, x], axis=1)
        self.ring.assign(joined[:, -self.ring.shape[1] :])
        return joined


class TimeConvolution(StreamLayer):
    """Convolution over time, mixing channels: (kernel x 1), `valid`, no bias.

    train: (channels, time, batch) -> (filters, time', batch); other forms: (batch, time, 1,
    channels) -> (batch, time', 1, filters). The first one has a stride.
    """

    def __init__(
        self, form: Form, filters: int, kernel: int = 1, stride: int = 1, name: str = "convolution"
    ) -> None:
        super().__init__(form, name)
        self.filters, self.kernel_size, self.stride = filters, kernel, stride

    def build(self, shape: tuple[int | None, ...]) -> None:
        channels = self.channels_of(shape)
        self.kernel = self.add_weight(
            shape=(self.kernel_size, 1, channels, self.filters),
            initializer="glorot_uniform",
            name="kernel",
        )
        self.add_ring(self.kernel_size - self.stride, channels)

    def call(self, x: Tensor) -> Tensor:
        if self.form != "train":
            return ops.conv(self.with_past(x), self.kernel, (self.stride, 1), "valid")
        channels, time, _ = x.shape
        size, filters = self.kernel_size, self.filters
        steps = (time - size) // self.stride + 1
        if self.stride > 1:  # the first convolution: gather the taps, one product
            stop = (steps - 1) * self.stride + 1
            x = ops.concatenate([x[:, i : i + stop : self.stride] for i in range(size)], axis=0)
            weights = ops.transpose(ops.reshape(self.kernel, (size * channels, filters)))
            return ops.reshape(
                ops.matmul(weights, ops.reshape(x, (size * channels, -1))), (filters, steps, -1)
            )
        # one product for all taps, then a sum of shifted rows: its gradient is one product too
        weights = ops.reshape(ops.transpose(self.kernel, (0, 1, 3, 2)), (size * filters, channels))
        taps = ops.reshape(
            ops.matmul(weights, ops.reshape(x, (channels, -1))), (size * filters, time, -1)
        )
        return sum(taps[i * filters : (i + 1) * filters, i : i + steps] for i in range(size))


class MixedDepthwise(StreamLayer):
    """MixConv (Tan & Le 2019): equal groups of channels, a depthwise kernel length each, bias."""

    def __init__(self, form: Form, kernels: tuple[int, ...], name: str = "depthwise") -> None:
        super().__init__(form, name)
        self.kernels = kernels

    def build(self, shape: tuple[int | None, ...]) -> None:
        channels = self.channels_of(shape)
        groups = len(self.kernels)
        sizes = [channels // groups] * groups
        sizes[0] += channels - sum(sizes)
        self.sizes = sizes
        self.parts = [
            self.add_weight(shape=(k, 1, size, 1), initializer="glorot_uniform", name=f"kernel_{i}")
            for i, (k, size) in enumerate(zip(self.kernels, sizes, strict=True))
        ]
        self.bias = self.add_weight(shape=(channels,), initializer="zeros", name="bias")
        self.add_ring(max(self.kernels) - 1, channels)

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Explicit, because JAX cannot infer it if time (axis 1 in all forms) is None."""
        time = shape[1]
        if time is not None and self.form != "stream":
            time -= max(self.kernels) - 1
        return (shape[0], time, *shape[2:])

    def call(self, x: Tensor) -> Tensor:
        if self.form == "train":
            return self._as_products(x)
        x, longest, outputs, at = self.with_past(x), max(self.kernels), [], 0
        cuts = [sum(self.sizes[:i]) for i in range(1, len(self.sizes))]
        pieces = ops.split(x, cuts, axis=-1) if cuts else [x]
        for kernel, piece, weights in zip(self.kernels, pieces, self.parts, strict=True):
            # added before joining: so the converter folds it in
            bias = self.bias[at : at + piece.shape[-1]]
            outputs.append(
                ops.depthwise_conv(piece[:, longest - kernel :], weights, 1, "valid") + bias
            )
            at += piece.shape[-1]
        return outputs[0] if len(outputs) == 1 else ops.concatenate(outputs, axis=-1)

    def _as_products(self, x: Tensor) -> Tensor:
        time, longest, outputs, at = x.shape[1], max(self.kernels), [], 0
        for kernel, size, weights in zip(self.kernels, self.sizes, self.parts, strict=True):
            piece = x[at : at + size, longest - kernel :]
            band = _band_matrix(
                ops.transpose(ops.reshape(weights, (kernel, size))), time - longest + kernel
            )
            outputs.append(ops.matmul(band, piece))
            at += size
        joined = outputs[0] if len(outputs) == 1 else ops.concatenate(outputs, axis=0)
        return joined + ops.reshape(self.bias, (-1, 1, 1))


def _band_matrix(kernels: Tensor, time: int) -> Tensor:
    """(channels, k) -> (channels, time - k + 1, time): row t holds the kernel from column t on."""
    channels, k = kernels.shape
    steps = time - k + 1
    # a row one longer than the matrix is wide shifts by one
    padded = ops.pad(kernels, [[0, 0], [0, time + 1 - k]])
    return ops.reshape(ops.tile(padded, [1, steps])[:, : steps * time], (channels, steps, time))


class Normalization(StreamLayer):
    """Batch normalisation; statistics shared within `groups` of channels (Chang 2021) if given."""

    def __init__(self, form: Form, groups: int = 0, name: str = "normalization") -> None:
        super().__init__(form, name)
        self.groups = groups

    def build(self, shape: tuple[int | None, ...]) -> None:
        channels = self.channels_of(shape)
        self.channels, self.share = channels, channels // self.groups if self.groups else 1
        self.gamma = self.add_weight(shape=(channels,), initializer="ones", name="gamma")
        self.beta = self.add_weight(shape=(channels,), initializer="zeros", name="beta")
        self.mean = self.add_weight(
            shape=(channels,), initializer="zeros", trainable=False, name="mean"
        )
        self.variance = self.add_weight(
            shape=(channels,), initializer="ones", trainable=False, name="variance"
        )

    def call(self, x: Tensor, training: bool = False) -> Tensor:
        if training and self.form == "train":
            mean = ops.mean(x, axis=(1, 2))
            square = ops.mean(ops.square(x), axis=(1, 2))
            if self.share > 1:
                mean, square = (self._shared(v) for v in (mean, square))
            variance = ops.maximum(square - ops.square(mean), 0.0)
            for kept, new in ((self.mean, mean), (self.variance, variance)):
                kept.assign(0.99 * kept + 0.01 * ops.stop_gradient(new))
        else:
            mean, variance = ops.convert_to_tensor(self.mean), ops.convert_to_tensor(self.variance)
        scale = self.gamma * ops.rsqrt(variance + BATCH_NORM_EPSILON)
        shift = self.beta - mean * scale
        if self.form == "train":
            scale, shift = ops.reshape(scale, (-1, 1, 1)), ops.reshape(shift, (-1, 1, 1))
        return x * scale + shift

    def _shared(self, values: Tensor) -> Tensor:
        grouped = ops.mean(ops.reshape(values, (self.groups, self.share)), axis=1)
        return ops.repeat(grouped, self.share)


class Head(StreamLayer):
    """The last `steps` rows, flattened -> one logit. `scan`: one logit for every position."""

    def __init__(self, form: Form, steps: int, name: str = "head") -> None:
        super().__init__(form, name)
        self.steps = steps

    def build(self, shape: tuple[int | None, ...]) -> None:
        channels = self.channels_of(shape)
        self.kernel = self.add_weight(
            shape=(self.steps, 1, channels, 1), initializer="glorot_uniform", name="kernel"
        )
        self.bias = self.add_weight(shape=(1,), initializer="zeros", name="bias")
        self.add_ring(self.steps - 1, channels)

    def call(self, x: Tensor) -> Tensor:
        if self.form == "train":  # (channels, steps, batch) -> (batch, 1)
            weights = ops.transpose(ops.reshape(self.kernel, (self.steps, -1)))
            flat = ops.reshape(x, (-1, ops.shape(x)[2]))
            return ops.transpose(ops.matmul(ops.reshape(weights, (1, -1)), flat)) + self.bias
        if self.form == "stream":
            flat = ops.reshape(self.with_past(x), (1, -1))
            return ops.matmul(flat, ops.reshape(self.kernel, (-1, 1))) + self.bias
        return ops.conv(x, self.kernel, 1, "valid")[:, :, 0, 0] + self.bias


def drop_start(x: Tensor, rows: int, form: Form) -> Tensor:
    """Without its oldest `rows` rows: aligns branches with different contexts (not in streams)."""
    return x if form == "stream" else x[:, rows:]


class Features(StreamLayer):
    """uint8 steps (batch, frames, channels) as real values, in the layout of the form."""

    def __init__(self, form: Form, step: float, name: str = "scale") -> None:
        super().__init__(form, name)
        self.step = step

    def call(self, x: Tensor) -> Tensor:
        if self.form == "stream":
            return ops.expand_dims(x, 2)
        real = ops.cast(x, "float32") * self.step
        return ops.transpose(real, (2, 1, 0)) if self.form == "train" else ops.expand_dims(real, 2)


def whole_strides(exact: int, stride: int) -> int:
    """Frames of context rounded up to whole strides, as clients feed them."""
    return -(-exact // stride) * stride


def inputs(
    form: Form, exact: int, stride: int, channels: int, step: float
) -> tuple[Tensor, Tensor]:
    """(model input, what the first layer takes) for a context of `exact` frames.

    train: uint8 steps (batch, frames, 40); scan: any number of frames; stream: float
    (1, stride, 40).
    """
    frames = whole_strides(exact, stride)
    if form == "stream":
        given = keras.Input(batch_shape=(1, stride, channels), name="features")
    else:
        given = keras.Input(
            (frames if form == "train" else None, channels), dtype="uint8", name="features"
        )
    return given, drop_start(Features(form, step)(given), frames - exact, form)


def copy_weights(source: keras.Model, target: keras.Model) -> None:
    """Copy all weights but ring buffers, by layer and weight name, between forms of one model."""
    values = {
        f"{layer.name}/{w.name}": w
        for layer in source.layers
        for w in layer.weights
        if w.name != "ring"
    }
    for layer in target.layers:
        for weight in layer.weights:
            if weight.name != "ring":
                # a copy: JAX trains in place
                weight.assign(np.asarray(values[f"{layer.name}/{weight.name}"]).copy())
