"""MixedNet of microWakeWord: a strided convolution, blocks of MixConv, 1x1, batch norm and ReLU."""

from dataclasses import dataclass

import keras
from keras import ops

from trainer.audio.micro_frontend import CHANNELS, FEATURE_STEP
from trainer.models import streaming
from trainer.models.streaming import Form


@dataclass(frozen=True)
class Spec:
    """The reference's flags and notebook defaults: 26,049 parameters, 204 frames (2.06 s)."""

    pointwise_filters: tuple[int, ...] = (64, 64, 64, 64)
    repeat_in_block: tuple[int, ...] = (1, 1, 1, 1)
    mixconv_kernel_sizes: tuple[tuple[int, ...], ...] = ((5,), (7, 11), (9, 15), (23,))
    residual_connection: tuple[bool, ...] = (False, False, False, False)
    first_conv_filters: int = 32
    first_conv_kernel_size: int = 5
    stride: int = 3
    final_steps: int = 17

    def __post_init__(self) -> None:
        """Raises ValueError when the lists differ in length or the kernels cannot be streamed."""
        lists = (
            self.pointwise_filters,
            self.repeat_in_block,
            self.mixconv_kernel_sizes,
            self.residual_connection,
        )
        if len({len(part) for part in lists}) != 1:
            raise ValueError(
                "pointwise_filters, repeat_in_block, mixconv_kernel_sizes and residual_connection "
                "differ in length"
            )
        if self.first_conv_kernel_size < self.stride:
            raise ValueError(
                "first_conv_kernel_size must be at least the stride, or frames would be skipped"
            )

    @property
    def context(self) -> int:
        """Frames of 10 ms that one output depends on."""
        rows = self.final_steps
        for repeat, kernels in zip(self.repeat_in_block, self.mixconv_kernel_sizes, strict=True):
            rows += repeat * (max(kernels) - 1)
        return (rows - 1) * self.stride + self.first_conv_kernel_size

    @property
    def frames(self) -> int:
        """The context in whole strides: length of a training window."""
        return streaming.whole_strides(self.context, self.stride)


def build(spec: Spec, form: Form = "train") -> keras.Model:
    """The model in one form. Output: train (batch, 1) logits; scan (batch, steps) logits; stream
    (1, 1) probability."""
    given, x = streaming.inputs(form, spec.context, spec.stride, CHANNELS, FEATURE_STEP)
    x = streaming.TimeConvolution(
        form, spec.first_conv_filters, spec.first_conv_kernel_size, spec.stride, "first"
    )(x)
    x = ops.relu(x)
    blocks = zip(
        spec.pointwise_filters,
        spec.repeat_in_block,
        spec.mixconv_kernel_sizes,
        spec.residual_connection,
        strict=True,
    )
    for b, (filters, repeat, kernels, residual) in enumerate(blocks):
        before = x
        for r in range(repeat):
            if max(kernels) > 1:
                x = streaming.MixedDepthwise(form, kernels, f"depthwise_{b}_{r}")(x)
            x = streaming.TimeConvolution(form, filters, name=f"pointwise_{b}_{r}")(x)
            x = streaming.Normalization(form, name=f"norm_{b}_{r}")(x)
            if not (residual and r == repeat - 1):
                x = ops.relu(x)
        if residual:
            short = streaming.TimeConvolution(form, filters, name=f"residual_{b}")(before)
            short = streaming.Normalization(form, name=f"residual_norm_{b}")(short)
            x = ops.relu(x + streaming.drop_start(short, repeat * (max(kernels) - 1), form))
    x = streaming.Head(form, spec.final_steps)(x)
    return keras.Model(given, ops.sigmoid(x) if form == "stream" else x, name="mixednet")
