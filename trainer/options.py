"""Groups of commands imported when used, and options made from settings."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from trainer import DATA_FOLDER

if TYPE_CHECKING:
    from trainer.settings import Settings

Function = TypeVar("Function", bound=Callable[..., Any])
FOLDER = click.Path(path_type=Path)
data_dir = click.option(
    "--data-dir", type=FOLDER, default=DATA_FOLDER, envvar="DATA_DIR", help="Folder of all data."
)
settings_file = click.option(
    "--settings",
    "settings_file",
    type=FOLDER,
    help="File of NAME=value lines, such as recipes/an4/settings.env.",
)


class Product(click.Group):
    """The commands of a product; they are imported when one of them is used."""

    def __init__(self, product: str) -> None:
        text = import_module(f"trainer.{product}").__doc__ or ""
        super().__init__(product.replace("_", "-"), help=text.splitlines()[0])
        self._module = f"trainer.{product}.cli"

    def list_commands(self, context: click.Context) -> list[str]:
        return self._group.list_commands(context)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        return self._group.get_command(context, name)

    @cached_property
    def _group(self) -> click.Group:
        found: click.Group = import_module(self._module).cli
        return found


def settings_options(kind: type[Settings]) -> Callable[[Function], Function]:
    """Decorator: one option a setting, and hidden ones for its aliases."""

    def decorate(command: Function) -> Function:
        for name in (*kind.aliases, *kind.ineffective, *kind.harmless):
            command = _hidden(kind, name)(command)
        for name in reversed(kind.names()):
            command = _visible(kind, name)(command)
        return settings_file(command)

    return decorate


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _switch(name: str, **more: Any) -> Callable[[Function], Function]:
    flag = _flag(name)
    both = f"{flag}/--no-{flag[2:]}"
    return click.option(both, f" /--no{flag[2:]}", name, default=None, **more)


def _visible(kind: type[Settings], name: str) -> Callable[[Function], Function]:
    field = kind.model_fields[name]
    text = field.description or ""
    if field.default not in (None, "", False):
        text += f" [default: {field.default}]"
    if name in kind.switches():
        return _switch(name, help=text)
    if name in kind.repeatable:
        return _repeatable(kind, name, name, help=text, metavar=name.upper())
    return click.option(
        _flag(name), default=None, help=text, metavar=name.rsplit("_", 1)[-1].upper()
    )


def _repeatable(
    kind: type[Settings], name: str, of: str, **more: Any
) -> Callable[[Function], Function]:
    joined = kind.repeatable[of]
    return click.option(
        _flag(name),
        name,
        multiple=True,
        callback=lambda _, __, given: joined.join(given) or None,
        **more,
    )


def _hidden(kind: type[Settings], name: str) -> Callable[[Function], Function]:
    if name in kind.switches():
        return _switch(name, hidden=True)
    if (of := kind.aliases.get(name, [name])[0]) in kind.repeatable:
        return _repeatable(kind, name, of, hidden=True)
    flag = _flag(name)
    value: dict[str, Any] = {}
    if name in {*kind.ineffective, *kind.harmless}:  # with or without a value
        value = {"flag_value": "true", "is_flag": False}
    negated = (f"--no{flag[2:]}", f"--no-{flag[2:]}")
    return click.option(flag, *negated, name, default=None, hidden=True, **value)
