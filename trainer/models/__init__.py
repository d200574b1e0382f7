"""Keras 3 model zoo: one file a model, each a frozen `Spec` and `build(spec, form) -> keras.Model`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras

NAMES = ("mixednet", "inception")  # for wake words


def spec_of(name: str, **changes: Any) -> Any:
    """The model's Spec with `changes`. Raises ValueError for an unknown model, TypeError for an unknown field."""
    return _module(name).Spec(**changes)


def build(spec: Any, form: Any = "train") -> keras.Model:
    """Build the model that `spec` belongs to."""
    return _module(type(spec).__module__.rsplit(".", 1)[1]).build(spec, form)


def _module(name: str) -> Any:
    if name not in NAMES:
        raise ValueError(f"no model '{name}'; there are {', '.join(NAMES)}")
    from importlib import import_module

    return import_module(f"trainer.models.{name}")
