"""Objects as JSON: class, version and typed fields. Nothing is executed to read one but the
import of its class.

    @serializable(version=2, migrations={1: rename_width})
    class Probe:
        labels: tuple[str, ...]
        width: int = 32

The decorator makes a dataclass. Work that needs the fields belongs in `__post_init__`; state that
changes belongs in fields of `init=False` or in methods, and is not written.
"""

import dataclasses
import importlib
import importlib.util
import inspect
import sys
import types
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from trainer.errors import UserError
from trainer.log import log


class Reading:
    """Whether a user's script is run for its classes only: it must not train then."""

    script = False


class ScriptRead(BaseException):
    """Ends the reading of a script before it trains."""


C = TypeVar("C", bound=type)
Migration = Callable[[dict[str, Any]], dict[str, Any]]  # fields of a version -> those of the next
PLAIN = (int, float, str, bool, type(None), Path)
MARK = "__serialized__"
NOT_KEPT = object()
SCRIPT = "script_of_a_run"  # the module name of a user's script, when it is read again


@dataclasses.dataclass(frozen=True)
class Form:
    """How a class is written."""

    version: int
    migrations: Mapping[int, Migration]


@typing.dataclass_transform(eq_default=False)
def serializable(
    kind: C | None = None, *, version: int = 1, migrations: Mapping[int, Migration] | None = None
) -> Any:
    """Decorator: a dataclass whose objects can be written as JSON and read again.

    Raises TypeError for a field of a type that cannot be written: numbers, text, paths, other
    serializable classes, and lists, tuples and mappings of them can.
    """

    def decorate(found: C) -> C:
        made: Any = dataclasses.dataclass(eq=False)(found)
        hints = typing.get_type_hints(made)
        for field in _fields(made):
            if not _writable(hints[field.name]):
                raise TypeError(
                    f"{made.__name__}.{field.name}: {hints[field.name]} cannot be written as JSON; "
                    "use numbers, text, paths, serializable classes, or lists and mappings of them"
                )
        setattr(made, MARK, Form(version, dict(migrations or {})))
        return found  # the same class, changed

    return decorate if kind is None else decorate(kind)


def is_serializable(value: Any) -> bool:
    """Whether the class of `value` (or the class itself) has the decorator."""
    kind = value if isinstance(value, type) else type(value)
    return MARK in vars(kind)


def _fields(kind: Any) -> list[dataclasses.Field[Any]]:
    return [field for field in dataclasses.fields(kind) if field.init]


def _writable(hint: Any) -> bool:
    origin, inside = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return all(map(_writable, inside))
    if origin is typing.Literal:
        return True
    if origin is not None:
        return all(one is Ellipsis or _writable(one) for one in inside)
    if hint in (list, tuple, dict, Any):
        return True  # seen when an object is written
    if not isinstance(hint, type):
        return False
    keras = hint.__module__.split(".")[0] == "keras"
    base = inspect.isabstract(hint) or getattr(hint, "__serializable_base__", False)
    return issubclass(hint, PLAIN) or is_serializable(hint) or keras or base


def name_of(kind: type) -> str:
    """`module:Class`, as it is written."""
    module = "__main__" if kind.__module__ == SCRIPT else kind.__module__
    return f"{module}:{kind.__qualname__}"


def write(value: Any, where: str = "") -> Any:
    """Plain JSON data of an object. Raises UserError, naming the field, for what has no form."""
    if isinstance(value, Path):
        return {"path": str(value)}
    if value is None or isinstance(value, (int, float, str, bool)):
        return value
    if isinstance(value, (list, tuple)):
        return [write(one, f"{where}[{i}]") for i, one in enumerate(value)]
    if isinstance(value, Mapping):
        return {"mapping": {str(key): write(one, f"{where}.{key}") for key, one in value.items()}}
    if is_serializable(value):
        form: Form = vars(type(value))[MARK]
        fields = {
            field.name: write(getattr(value, field.name), f"{where}.{field.name}".lstrip("."))
            for field in _fields(value)
        }
        return {"class": name_of(type(value)), "version": form.version, "fields": fields}
    if type(value).__module__.split(".")[0] == "keras":
        return {"keras": name_of(type(value)), "fields": _of_keras(value)}
    raise UserError(
        f"{where or 'object'}: a {type(value).__name__} cannot be written: put @serializable above "
        "its class and give each parameter a typed field"
    )


def _of_keras(value: Any) -> dict[str, Any]:
    """The parameters that an object of Keras was made with: its config, or (callbacks have none)
    attributes of the same names."""
    if hasattr(value, "get_config"):
        return {"config": value.get_config()}
    found: dict[str, Any] = {}
    for parameter in inspect.signature(type(value)).parameters.values():
        name, kind = parameter.name, type(value).__name__
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        if isinstance(one := getattr(value, name, NOT_KEPT), PLAIN):
            found[name] = one
        elif parameter.default is parameter.empty:
            raise UserError(f"Keras' {kind}: its parameter {name} cannot be written as JSON")
        else:
            log.warning("Keras' %s: parameter %s is not kept; its default is recorded", kind, name)
    return found


class Deserializer:
    """Reads what `write` wrote. One UserError names all problems."""

    def __init__(self, moved: Mapping[str, str] | None = None, script: Path | None = None) -> None:
        """`moved`: old `module:Class` -> where it is now; `script`: that of `__main__:Class`."""
        self.moved, self.script = dict(moved or {}), script
        self.problems: list[str] = []

    def read(self, data: Any) -> Any:
        """The object. Raises UserError naming what is missing, unknown, moved or newer."""
        self.problems = []
        found = self._value(data)
        if self.problems:
            raise UserError("; ".join(self.problems))
        return found

    def _value(self, data: Any) -> Any:
        if isinstance(data, list):
            return tuple(map(self._value, data))
        if not isinstance(data, dict):
            return data
        if "path" in data:
            return Path(data["path"])
        if "mapping" in data:
            return {name: self._value(one) for name, one in data["mapping"].items()}
        if "keras" in data:
            kind = self._kind(data["keras"])
            if kind is None:
                return None
            fields = data["fields"]
            return kind.from_config(fields["config"]) if "config" in fields else kind(**fields)
        return self._object(data)

    def _object(self, data: dict[str, Any]) -> Any:
        kind = self._kind(data["class"])
        if kind is None:
            return None
        name, version = data["class"], int(data["version"])
        if not is_serializable(kind):
            self.problems.append(f"{name} has no @serializable any more")
            return None
        form: Form = vars(kind)[MARK]
        if version > form.version:
            self.problems.append(
                f"{name} is of version {version}, this installation has {form.version}: install a "
                "newer one"
            )
            return None
        fields = dict(data["fields"])
        for older in range(version, form.version):
            if older not in form.migrations:
                self.problems.append(f"{name}: no migration from version {older} to {older + 1}")
                return None
            fields = form.migrations[older](fields)
        known = {field.name: field for field in _fields(kind)}
        if unknown := sorted(set(fields) - set(known)):
            self.problems.append(f"{name} has no field {', '.join(unknown)}")
        needed = {name for name, field in known.items() if _required(field)}
        if missing := sorted(needed - set(fields)):
            self.problems.append(f"{name}: no value for {', '.join(missing)}")
        values = {key: self._value(one) for key, one in fields.items() if key in known}
        return None if self.problems else kind(**values)

    def _kind(self, name: str) -> Any:
        module, _, path = self.moved.get(name, name).partition(":")
        try:
            found: Any = self._module(module)
            for part in path.split("."):
                found = getattr(found, part)
            return found
        except (ImportError, AttributeError) as error:
            self.problems.append(
                f"class {name} is not there ({error}): was it renamed or moved? Give its new place "
                f"(--moved {name}=MODULE:CLASS)"
            )
            return None

    def _module(self, name: str) -> Any:
        """A module; for `__main__`, the script, run up to where it would train."""
        if name != "__main__" or self.script is None:
            return importlib.import_module(name)
        main = sys.modules["__main__"]
        if getattr(main, "__file__", None) == str(self.script):
            return main
        known = sys.modules.get(SCRIPT)
        if known is not None and known.__file__ == str(self.script):
            return known
        spec = importlib.util.spec_from_file_location(SCRIPT, self.script)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[SCRIPT], Reading.script = module, True
        try:
            spec.loader.exec_module(module)
        except ScriptRead:
            pass
        except Exception as error:  # the script's own: its classes stand before what failed
            log.debug("%s stopped at %s: %s", self.script, type(error).__name__, error)
        finally:
            Reading.script = False
        return module


def _required(field: dataclasses.Field[Any]) -> bool:
    nothing = dataclasses.MISSING
    return field.default is nothing and field.default_factory is nothing
