"""The Inception variant of microWakeWord: three blocks of branches with contexts 1, k and 2k."""

from dataclasses import dataclass

import keras
from keras import ops

from trainer.audio.micro_frontend import CHANNELS, FEATURE_STEP
from trainer.models import streaming
from trainer.models.streaming import Form, Tensor


@dataclass(frozen=True)
class Spec:
    """The reference's flags and defaults; `final_steps` rows are flattened for the last unit."""

    first_filters: int = 24
    first_kernel_size: int = 5
    first_groups: int = 4
    filters: tuple[int, ...] = (10, 10, 16)
    kernel_sizes: tuple[int, ...] = (5, 5, 5)
    groups: tuple[int, ...] = (1, 1, 1)
    dropout: float = 0.2
    stride: int = 3
    final_steps: int = 34

    def __post_init__(self) -> None:
        """Raises ValueError when the lists differ in length or the kernels cannot be streamed."""
        if len({len(self.filters), len(self.kernel_sizes), len(self.groups)}) != 1:
            raise ValueError("filters, kernel_sizes and groups differ in length")
        if self.first_kernel_size < self.stride:
            raise ValueError(
                "first_kernel_size must be at least the stride, or frames would be skipped"
            )

    @property
    def context(self) -> int:
        """Frames of 10 ms that one output depends on."""
        rows = self.final_steps + sum(2 * (k - 1) for k in self.kernel_sizes)
        return (rows - 1) * self.stride + self.first_kernel_size

    @property
    def frames(self) -> int:
        """The context in whole strides: length of a training window."""
        return streaming.whole_strides(self.context, self.stride)


def build(spec: Spec, form: Form = "train") -> keras.Model:
    """The model in one form. Output: train (batch, 1) logits; scan (batch, steps) logits; stream
    (1, 1) probability."""

    def unit(
        x: Tensor, filters: int, kernel: int, groups: int, name: str, stride: int = 1
    ) -> Tensor:
        x = streaming.TimeConvolution(form, filters, kernel, stride, name)(x)
        return ops.relu(
            streaming.Normalization(form, groups if groups > 1 else 0, f"{name}_norm")(x)
        )

    given, x = streaming.inputs(form, spec.context, spec.stride, CHANNELS, FEATURE_STEP)
    x = unit(x, spec.first_filters, spec.first_kernel_size, spec.first_groups, "first", spec.stride)
    for b, (filters, kernel, groups) in enumerate(
        zip(spec.filters, spec.kernel_sizes, spec.groups, strict=True)
    ):
        short = unit(x, filters, 1, groups, f"short_{b}")
        middle = unit(
            unit(x, filters, 1, groups, f"middle_{b}_0"), filters, kernel, groups, f"middle_{b}_1"
        )
        long = unit(x, filters, 1, groups, f"long_{b}_0")
        for part in (1, 2):
            long = unit(long, filters, kernel, groups, f"long_{b}_{part}")
        branches = [
            streaming.drop_start(short, 2 * (kernel - 1), form),
            streaming.drop_start(middle, kernel - 1, form),
            long,
        ]
        x = ops.concatenate(branches, axis=0 if form == "train" else -1)
    if form == "train":
        x = keras.layers.Dropout(spec.dropout, seed=0, name="dropout")(x)
    x = streaming.Head(form, spec.final_steps, name="head")(x)
    return keras.Model(given, ops.sigmoid(x) if form == "stream" else x, name="inception")
