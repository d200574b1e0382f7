"""Models: one file each, with a frozen `Spec` and `build(spec, ...) -> keras.Model`."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras

    from trainer.models.streaming import Form, StreamingSpec

MODELS = {"mixednet": "detection", "inception": "detection"}
SPEECH = {  # the zoo: name -> class in trainer.models.speech.<name>
    "deepspeech": "DeepSpeech",
    "deepspeech2": "DeepSpeech2",
    "las": "Las",
    "tds": "Tds",
    "conformer": "Conformer",
}


def __getattr__(name: str) -> Any:
    """The class of a model of the zoo: `models.las(labels=...)`."""
    if name in SPEECH:
        return getattr(import_module(f"trainer.models.speech.{name}"), SPEECH[name])
    raise AttributeError(f"module 'trainer.models' has no attribute '{name}'")


def names(task: str) -> list[str]:
    """The models for a task."""
    return [name for name, for_task in MODELS.items() if for_task == task]


def spec_of(name: str, **changes: Any) -> StreamingSpec:
    """The Spec of a streaming model with `changes`. Raises TypeError for an unknown field."""
    spec: StreamingSpec = import_module(f"trainer.models.{name}").Spec(**changes)
    return spec


def build(spec: StreamingSpec, form: Form = "train") -> keras.Model:
    """The streaming model that `spec` belongs to, in one form."""
    model: keras.Model = import_module(type(spec).__module__).build(spec, form)
    return model
