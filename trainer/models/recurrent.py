"""Recurrent layers on time-major sequences, with gradients written by hand for TensorFlow."""

from collections.abc import Callable
from functools import cache
from typing import Any

import keras
from keras import ops

Tensor = Any  # a tensor of TensorFlow or JAX, or a Keras tensor


BLOCKED = -1e4  # a gate that is surely closed


class Recurrent(keras.layers.Layer):
    """Base: (t, batch, n), used (t, batch, 1) or None -> hidden states (t, batch, width).

    The input projection is one product before the loop, and the gradient is written by hand, so
    that the weights' gradients are one product after it: on two cores three times as fast as
    Keras' own layers. The state stays as it is in steps that are not `used` (0: padding).
    """

    def __init__(self, width: int, name: str | None = None) -> None:
        super().__init__(name=name)
        self.width = width

    def compute_output_shape(self, x_shape: Any, used_shape: Any = None) -> tuple[Any, ...]:
        """Hidden states, as many as inputs."""
        return (*x_shape[:2], self.width)


class Lstm(Recurrent):
    """Hochreiter & Schmidhuber 1997: gates i, j, f, o; forget bias 1; zero initial state."""

    def build(self, x_shape: Any, used_shape: Any = None) -> None:
        self.given = int(x_shape[-1] or 0)
        width = self.width
        self.kernel = self.add_weight(
            shape=(self.given + width, 4 * width), initializer="glorot_uniform", name="kernel"
        )
        self.bias = self.add_weight(shape=(4 * width,), initializer=_remember(width), name="bias")

    def call(self, x: Tensor, used: Tensor | None = None) -> Tensor:
        fed = ops.matmul(x, self.kernel[: self.given]) + self.bias
        if used is not None:
            i, rest = fed[..., : self.width], fed[..., self.width :]
            fed = ops.concatenate([ops.where(used > 0, i, BLOCKED), rest], -1)
        recurrent = self.kernel[self.given :]
        if keras.backend.backend() == "tensorflow":
            return _side_by_side(_lstm_tensorflow(), fed, ops.cast(recurrent, fed.dtype))

        def step(
            state: tuple[Tensor, Tensor], gates: Tensor
        ) -> tuple[tuple[Tensor, Tensor], Tensor]:
            h, c = state
            i, j, f, o = ops.split(gates + ops.matmul(h, recurrent), 4, axis=-1)
            c = ops.sigmoid(f) * c + ops.sigmoid(i) * ops.tanh(j)
            h = ops.sigmoid(o) * ops.tanh(c)
            return (h, c), h

        start = ops.zeros_like(fed[0, :, : self.width])
        return ops.scan(step, (start, start), fed)[1]


class Gru(Recurrent):
    """Cho et al. 2014, in the form of cuDNN and PyTorch: gates r, z, n, where the reset gate acts
    after the recurrent product."""

    def build(self, x_shape: Any, used_shape: Any = None) -> None:
        self.given = int(x_shape[-1] or 0)
        wide = 3 * self.width
        self.kernel = self.add_weight(
            shape=(self.given, wide), initializer="glorot_uniform", name="kernel"
        )
        self.recurrent = self.add_weight(
            shape=(self.width, wide), initializer="orthogonal", name="recurrent"
        )
        self.bias = self.add_weight(shape=(wide,), initializer="zeros", name="bias")
        self.inner = self.add_weight(shape=(self.width,), initializer="zeros", name="inner_bias")

    def call(self, x: Tensor, used: Tensor | None = None) -> Tensor:
        width = self.width
        fed = ops.matmul(x, self.kernel) + self.bias
        if used is not None:
            z = ops.where(used > 0, fed[..., width : 2 * width], -BLOCKED)
            fed = ops.concatenate([fed[..., :width], z, fed[..., 2 * width :]], -1)
        recurrent, inner = ops.cast(self.recurrent, fed.dtype), ops.cast(self.inner, fed.dtype)
        if keras.backend.backend() == "tensorflow":
            return _side_by_side(_gru_tensorflow(), fed, recurrent, inner)

        def step(h: Tensor, gates: Tensor) -> tuple[Tensor, Tensor]:
            r, z, n = ops.split(gates, 3, axis=-1)
            hr, hz, hn = ops.split(ops.matmul(h, recurrent), 3, axis=-1)
            r, z = ops.sigmoid(r + hr), ops.sigmoid(z + hz)
            n = ops.tanh(n + r * (hn + inner))
            h = (1 - z) * n + z * h
            return h, h

        return ops.scan(step, ops.zeros_like(fed[0, :, :width]), fed)[1]


def both_ways(
    kind: type[Recurrent], width: int, x: Tensor, used: Tensor, name: str
) -> tuple[Tensor, Tensor]:
    """States of one layer that reads forward and one that reads backward, zero in padding."""
    forward = kind(width, name=f"{name}_forward")(x, used)
    backward = kind(width, name=f"{name}_backward")(ops.flip(x, 0), ops.flip(used, 0))
    return forward * used, ops.flip(backward, 0) * used


def _side_by_side(recur: Callable[..., Tensor], fed: Tensor, *weights: Tensor) -> Tensor:
    """`recur`; on processors as two loops at once, each over half of the batch."""
    import tensorflow as tf

    half = (fed.shape[1] or 0) // 2
    if not half or tf.config.list_physical_devices("GPU"):
        return recur(fed, *weights)
    return tf.concat([recur(fed[:, :half], *weights), recur(fed[:, half:], *weights)], 1)


def _remember(width: int) -> Callable[..., Tensor]:
    """Bias of one for the forget gate (Jozefowicz et al. 2015), which halves the epochs; clients
    add none of their own."""
    return lambda shape, dtype=None: ops.concatenate(
        [ops.zeros((2 * width,), dtype), ops.ones((width,), dtype), ops.zeros((width,), dtype)]
    )


@cache
def _lstm_tensorflow() -> Callable[[Tensor, Tensor], Tensor]:
    """recur(fed (t, b, 4h), recurrent (h, 4h)) -> (t, b, h), with its gradient."""
    import tensorflow as tf

    def rows(shape: Tensor, kind: Tensor) -> Tensor:
        return tf.TensorArray(kind, shape, element_shape=None)

    @tf.custom_gradient
    def recur(fed: Tensor, recurrent: Tensor) -> tuple[Tensor, Callable[..., tuple[Tensor, ...]]]:
        time = tf.shape(fed)[0] if fed.shape[0] is None else fed.shape[0]
        batch = tf.shape(fed)[1] if fed.shape[1] is None else fed.shape[1]
        width = recurrent.shape[0]
        zero = tf.zeros((batch, width), fed.dtype)

        def forward(
            t: Tensor, h: Tensor, c: Tensor, hs: Tensor, cs: Tensor, gates: Tensor
        ) -> tuple[Tensor, ...]:
            i, j, f, o = tf.split(fed[t] + tf.matmul(h, recurrent), 4, axis=1)
            i, j, f, o = tf.sigmoid(i), tf.tanh(j), tf.sigmoid(f), tf.sigmoid(o)
            c = f * c + i * j
            h = o * tf.tanh(c)
            gates = gates.write(t, tf.concat([i, j, f, o], 1))
            return t + 1, h, c, hs.write(t, h), cs.write(t, c), gates

        arrays = [rows(time, fed.dtype) for _ in range(3)]
        _, _, _, hs, cs, gates = tf.while_loop(
            lambda t, *_: t < time,
            forward,
            (0, zero, zero, *arrays),
            maximum_iterations=time,
            parallel_iterations=1,
        )
        every_h, every_c, every_gate = hs.stack(), cs.stack(), gates.stack()

        def gradient(given: Tensor) -> tuple[Tensor, Tensor]:
            before_c = tf.concat([zero[None], every_c[:-1]], 0)
            before_h = tf.concat([zero[None], every_h[:-1]], 0)
            turned = tf.transpose(recurrent)

            def backward(t: Tensor, dh: Tensor, dc: Tensor, dz: Tensor) -> tuple[Tensor, ...]:
                i, j, f, o = tf.split(every_gate[t], 4, axis=1)
                on = tf.tanh(every_c[t])
                dh = dh + given[t]
                dc = dc + dh * o * (1 - on * on)
                di, dj = dc * j * i * (1 - i), dc * i * (1 - j * j)
                df, do = dc * before_c[t] * f * (1 - f), dh * on * o * (1 - o)
                z = tf.concat([di, dj, df, do], 1)
                return t - 1, tf.matmul(z, turned), dc * f, dz.write(t, z)

            _, _, _, dz = tf.while_loop(
                lambda t, *_: t >= 0,
                backward,
                (time - 1, zero, zero, rows(time, fed.dtype)),
                maximum_iterations=time,
                parallel_iterations=1,
            )
            every_z = dz.stack()
            flat = (-1, width)
            return every_z, tf.matmul(
                tf.reshape(before_h, flat), tf.reshape(every_z, (-1, 4 * width)), transpose_a=True
            )

        return every_h, gradient

    return tf.function(recur, jit_compile=True)


@cache
def _gru_tensorflow() -> Callable[..., Tensor]:
    """recur(fed (t, b, 3h), recurrent (h, 3h), inner (h,)) -> (t, b, h), with its gradient."""
    import tensorflow as tf

    @tf.custom_gradient
    def recur(
        fed: Tensor, recurrent: Tensor, inner: Tensor
    ) -> tuple[Tensor, Callable[..., tuple[Tensor, ...]]]:
        time = tf.shape(fed)[0] if fed.shape[0] is None else fed.shape[0]
        batch = tf.shape(fed)[1] if fed.shape[1] is None else fed.shape[1]
        width = recurrent.shape[0]
        zero = tf.zeros((batch, width), fed.dtype)

        def rows() -> Tensor:
            return tf.TensorArray(fed.dtype, time, element_shape=None)

        def forward(t: Tensor, h: Tensor, hs: Tensor, gates: Tensor) -> tuple[Tensor, ...]:
            r, z, n = tf.split(fed[t], 3, axis=1)
            hr, hz, hn = tf.split(tf.matmul(h, recurrent), 3, axis=1)
            r, z, q = tf.sigmoid(r + hr), tf.sigmoid(z + hz), hn + inner
            n = tf.tanh(n + r * q)
            h = (1 - z) * n + z * h
            return t + 1, h, hs.write(t, h), gates.write(t, tf.concat([r, z, n, q], 1))

        _, _, hs, gates = tf.while_loop(
            lambda t, *_: t < time,
            forward,
            (0, zero, rows(), rows()),
            maximum_iterations=time,
            parallel_iterations=1,
        )
        every_h, every_gate = hs.stack(), gates.stack()

        def gradient(given: Tensor) -> tuple[Tensor, ...]:
            before = tf.concat([zero[None], every_h[:-1]], 0)
            turned = tf.transpose(recurrent)

            def backward(t: Tensor, dh: Tensor, outer: Tensor, into: Tensor) -> tuple[Tensor, ...]:
                r, z, n, q = tf.split(every_gate[t], 4, axis=1)
                dh = dh + given[t]
                dn = dh * (1 - z) * (1 - n * n)
                dz = dh * (before[t] - n) * z * (1 - z)
                dr = dn * q * r * (1 - r)
                product = tf.concat([dr, dz, dn * r], 1)
                dh = dh * z + tf.matmul(product, turned)
                return t - 1, dh, outer.write(t, tf.concat([dr, dz, dn], 1)), into.write(t, product)

            _, _, outer, into = tf.while_loop(
                lambda t, *_: t >= 0,
                backward,
                (time - 1, zero, rows(), rows()),
                maximum_iterations=time,
                parallel_iterations=1,
            )
            products = tf.reshape(into.stack(), (-1, 3 * width))
            weights = tf.matmul(tf.reshape(before, (-1, width)), products, transpose_a=True)
            return outer.stack(), weights, tf.reduce_sum(products[:, 2 * width :], 0)

        return every_h, gradient

    return tf.function(recur, jit_compile=True)
