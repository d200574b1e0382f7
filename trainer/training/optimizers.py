"""Optimizers with averaged weights, and learning rate schedules."""

from typing import Any, TypeAlias

import keras

Schedule: TypeAlias = keras.optimizers.schedules.LearningRateSchedule


class ScaledRate(Schedule):
    """A schedule (or constant rate) times a factor that may be changed during training."""

    def __init__(self, schedule: Schedule | float) -> None:
        self.schedule = schedule
        self.factor = keras.Variable(1.0, trainable=False, name="rate_factor")

    def __call__(self, step: Any) -> Any:
        """Learning rate of a step."""
        rate = self.schedule(step) if callable(self.schedule) else self.schedule
        return rate * self.factor

    def get_config(self) -> dict[str, Any]:
        """Empty: checkpoints hold the variables."""
        return {}


def cosine(steps: int, learning_rate: float) -> Schedule:
    """Rises for 200 steps, then falls to nearly nothing."""
    warm_up = min(200, steps // 10)
    return keras.optimizers.schedules.CosineDecay(
        learning_rate * 0.1,
        max(steps - warm_up, 1),
        alpha=0.002,
        warmup_target=learning_rate,
        warmup_steps=warm_up,
    )


class InverseSquareRoot(Schedule):
    """Rises for `warm_up` steps, then falls with the square root of the steps (Vaswani et al.
    2017), from `peak`."""

    def __init__(self, peak: float, warm_up: int) -> None:
        self.peak, self.warm_up = peak, warm_up

    def __call__(self, step: Any) -> Any:
        """Learning rate of a step."""
        at = keras.ops.cast(step, "float32") + 1.0
        rising = at / self.warm_up
        return self.peak * keras.ops.minimum(rising, keras.ops.sqrt(self.warm_up / at))

    def get_config(self) -> dict[str, Any]:
        """As given."""
        return {"peak": self.peak, "warm_up": self.warm_up}


def averaged_adamw(
    rate: Schedule | float, steps: int, weight_decay: float, **more: float
) -> keras.optimizers.Optimizer:
    """AdamW with a running mean of the weights over the last sixth of the steps."""
    return keras.optimizers.AdamW(rate, weight_decay=weight_decay, **_steadied(steps), **more)


def averaged_muon(
    rate: Schedule | float, steps: int, weight_decay: float, last_layer: str, **adam: float
) -> keras.optimizers.Optimizer:
    """Muon (Jordan et al. 2024) for matrices: orthogonalised momentum, steps as large as AdamW's
    (Liu et al. 2025). Vectors and `last_layer` are trained by AdamW, with `adam`."""
    decay = {"weight_decay": weight_decay, "adam_weight_decay": weight_decay}
    more = {name if name == "epsilon" else f"adam_{name}": x for name, x in adam.items()}
    more |= decay
    return keras.optimizers.Muon(rate, exclude_layers=[last_layer], **_steadied(steps), **more)


def running_mean(steps: int) -> dict[str, Any]:
    """Options of Keras' optimizers: the mean of the weights over the last sixth of the steps."""
    return {"use_ema": True, "ema_momentum": min(0.999, max(0.0, 1 - 6 / steps))}


def _steadied(steps: int) -> dict[str, Any]:
    """Clipped gradients and averaged weights."""
    return {"clipnorm": 5.0, **running_mean(steps)}
