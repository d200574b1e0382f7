"""A network of the zoo by its name and by parameters as they are written in a setting."""

import inspect
from typing import Any

from trainer import models
from trainer.errors import UserError


def parameters(text: str) -> dict[str, Any]:
    """`width=96,groups=10x14x18` as names and numbers, where they are numbers."""
    pairs = (pair.partition("=") for pair in text.split(",") if pair.strip())
    return {name.strip(): _value(value) for name, _, value in pairs}


def _value(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    if "x" in text:  # 10x14x18
        return tuple(_value(part) for part in text.split("x"))
    return {"true": True, "false": False}.get(text.lower(), text)


def network(name: str, labels: tuple[str, ...], bands: int, text: str) -> Any:
    """The model of this name in models.SPEECH. `text`: parameters. Raises UserError."""
    kind, given = getattr(models, name), parameters(text)
    defaults = {n: one.default for n, one in inspect.signature(kind).parameters.items()}
    known = [n for n in defaults if n not in ("labels", "bands")]
    for parameter, value in given.items():
        wanted = type(defaults.get(parameter, value))
        if not isinstance(value, (int, float) if wanted is float else wanted):
            raise UserError(f"NETWORK: {parameter}={value}: {name} expects {wanted.__name__}")
    if strange := sorted(set(given) - set(known)):
        raise UserError(f"NETWORK: {name} has no {', '.join(strange)}; it has {', '.join(known)}")
    return kind(labels=labels, bands=bands, **given)
