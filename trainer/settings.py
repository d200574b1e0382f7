"""Settings: one definition for options, variables, settings files, documentation and step keys.

Later wins: defaults < --quick < preset (a language's folder) < .defaults.env < --settings FILE <
environment < option. An unknown name in a file, and a variable that looks misspelt, is an error.
"""

import difflib
import io
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Generic, Self, TypeAlias, TypeVar

from dotenv import dotenv_values
from dotenv.parser import parse_stream
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from trainer import DATA_FOLDER, PRODUCTS
from trainer.errors import UserError

DEFAULTS_FILE = ".defaults.env"
HERE = "${HERE}"  # in a settings file: its folder
Count: TypeAlias = Annotated[int, Field(ge=0)]
Positive: TypeAlias = Annotated[int, Field(ge=1)]
BatchSize: TypeAlias = Annotated[int, Field(ge=1, le=4096)]
NonNegative: TypeAlias = Annotated[float, Field(ge=0)]
Above0: TypeAlias = Annotated[float, Field(gt=0)]
Below1: TypeAlias = Annotated[float, Field(ge=0, lt=1)]
Fraction: TypeAlias = Annotated[float, Field(gt=0, lt=1)]
Share: TypeAlias = Annotated[float, Field(ge=0, le=1)]
TRUE = ("1", "true", "yes", "on")
FALSE = ("0", "false", "no", "off", "f")
# for the libraries, not for us; allowed in the file
PASSED_ON = ("CUDA_VISIBLE_DEVICES", "TF_FORCE_GPU_ALLOW_GROWTH", "TF_CPP_MIN_LOG_LEVEL")


def setting(default: Any, text: str, *, steps: str, **bounds: Any) -> Any:
    """A field of Settings: its default, its description, and the steps that read it.

    `steps`: names of steps, separated by spaces; "none" for what changes no result (workers,
    folders); "always" for what every run reads before its steps, whose keys hold the result (the
    user's files). A step's function sees the settings that name the step and those of "none",
    nothing else, and its key holds the former: a setting that a step uses cannot be missing from
    its key.
    """
    return Field(default, description=text, json_schema_extra={"steps": steps}, **bounds)


class Settings(BaseModel):
    """Base of a product's settings: each has an option (`--epochs=N`) and a variable (`EPOCHS`)."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())
    quick_values: ClassVar[dict[str, Any]] = {}
    aliases: ClassVar[dict[str, list[str]]] = {}  # other names that are accepted
    # names of other trainers: those that would change the result and do nothing here, and why;
    # those that can be ignored, and why, some of them with these values only
    ineffective: ClassVar[dict[str, str]] = {}
    harmless: ClassVar[dict[str, str]] = {}
    harmless_values: ClassVar[dict[str, list[str]]] = {}
    # lists whose option may be given several times, and what separates their parts
    repeatable: ClassVar[dict[str, str]] = {}

    data_dir: Path = setting(DATA_FOLDER, "Folder for everything that is written.", steps="none")
    workers: int = setting(
        0, "Worker processes; 0 means one per core.", steps="none", ge=0, le=1024
    )
    redo: str = setting("", "Steps to run again: names separated by commas, or all.", steps="none")

    @classmethod
    def names(cls) -> list[str]:
        """All settings: a class's own before those of its bases."""
        kinds = [kind for kind in cls.__mro__ if issubclass(kind, Settings)]
        found = (name for kind in kinds for name in kind.__annotations__)
        return [name for name in dict.fromkeys(found) if name in cls.model_fields]

    @classmethod
    def steps_of(cls, name: str) -> list[str]:
        """What a setting's `steps` says."""
        extra = cls.model_fields[name].json_schema_extra
        return str(extra["steps"]).split() if isinstance(extra, dict) else []

    def of(self, step: str) -> dict[str, Any]:
        """The settings that a step reads: its part of the step's key."""
        names = self.names()
        return {name: getattr(self, name) for name in names if step in self.steps_of(name)}

    def only(self, step: str) -> Self:
        """A copy without the settings of other steps: reading one of those is an AttributeError."""
        copy = self.model_copy()
        for name in self.names():
            if not {step, "none"} & set(self.steps_of(name)):
                del copy.__dict__[name]
        return copy

    @classmethod
    def switches(cls) -> set[str]:
        """Settings that are true or false, and their aliases."""
        names = {name for name, field in cls.model_fields.items() if field.annotation is bool}
        return names | {alias for alias, targets in cls.aliases.items() if names & set(targets)}


S = TypeVar("S", bound=Settings)


@dataclass(frozen=True)
class Loaded(Generic[S]):
    """Settings, and where each value came from; `ignored`: what was given without effect."""

    settings: S
    sources: Mapping[str, str]
    ignored: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """`NAME = value  (source)`, those that differ from the defaults first."""
        names = self.settings.names()
        rows = [(name, getattr(self.settings, name), self.sources[name]) for name in names]
        rows.sort(key=lambda row: row[2] == "default")
        return [
            f"{name.upper():24} {'' if value is None else value!s:22} {source}"
            for name, value, source in rows
        ]


@dataclass
class _Layers:
    """Values collected from one source after the other; later ones win."""

    kind: type[Settings]
    values: dict[str, Any]
    sources: dict[str, str]
    overruled: dict[str, str]
    ignored: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    def take(self, source: str, found: Mapping[str, Any]) -> None:
        names, kind = self.kind.model_fields, self.kind
        for name, value in found.items():
            if value in ("", None):
                pass
            elif name in kind.ineffective and str(value).lower() not in FALSE:
                self.refused.append(f"{name.upper()} from {source} ({kind.ineffective[name]})")
            elif name in kind.harmless:
                allowed = kind.harmless_values.get(name)
                if allowed and str(value).lower() not in allowed:
                    why = f"{kind.harmless[name]}; only {', '.join(allowed)} can be ignored"
                    self.refused.append(f"{name.upper()}={value} from {source} ({why})")
                else:
                    self.ignored.append(f"{name.upper()} ({kind.harmless[name]})")
            targets = kind.aliases.get(name, [name])
            for target in targets:
                if target in names and (target == name or target not in found):
                    alias = "" if target == name else f" ({name.upper()})"
                    self.values[target], self.sources[target] = value, f"{source}{alias}"
            if name not in targets and len(targets) == 1 and found.get(targets[0], value) != value:
                self.overruled[targets[0]] = f", not {name.upper()}={value}"


def load(
    kind: type[S],
    options: Mapping[str, Any],
    environment: Mapping[str, str] | None = None,
    preset: Mapping[str, str] | None = MappingProxyType({}),
    preset_source: str = "",
    settings_file: Path | None = None,
) -> Loaded[S]:
    """Resolve the settings of one product. Raises UserError.

    `options`: those given on the command line. `preset`: values of a folder that the settings
    name (a language); None until it is known, as unknown names in files may belong to it.
    """
    environment = os.environ if environment is None else environment
    names, known = kind.model_fields, all_names()
    files = [defaults_file(options, environment)]
    given = [_read(files[0]) if files[0].is_file() else {}]
    if settings_file is not None:
        files.append(settings_file)
        given.append(_read(settings_file))
    for file, found in zip(files, given, strict=True):
        for name, value in found.items():
            if name in PASSED_ON:
                os.environ.setdefault(name, value)
        if preset is not None:
            others = [n for n in found if n.lower() not in known and n not in {*PASSED_ON, *preset}]
            _refuse(f"{file}: ", {name: _guess(name, names) for name in others})
    for name in environment:
        # single words, such as `language`, may belong to other programs
        if "_" in name and name != name.upper() and name.lower() in names:
            raise UserError(f"environment: {name} has no effect: write {name.upper()}")
    for where, some in (("environment", environment), (preset_source, preset or {})):
        guesses = {name: _misspelt(name, kind) for name in some if name.lower() not in known}
        _refuse(f"{where}: ", {name: guess for name, guess in guesses.items() if guess})
    layers = _Layers(kind, {}, dict.fromkeys(names, "default"), {})
    mine = {*names, *kind.aliases, *kind.ineffective, *kind.harmless}
    strange = sorted(set(options) - mine)  # from Python; the command line knows its options
    _refuse("", {name: _guess(name, names) for name in strange})
    variables = {n: environment[n.upper()] for n in mine if environment.get(n.upper(), "") != ""}
    if ":" in variables.get("language", ""):  # Linux desktops use it so
        layers.ignored.append(f"LANGUAGE={variables.pop('language')} (a list of locales)")
    flags = {name: value for name, value in options.items() if value is not None}
    in_files = [{k.lower(): v for k, v in found.items() if k.lower() in mine} for found in given]
    switches = {"quick", *(a for a, targets in kind.aliases.items() if targets == ["quick"])}
    for found in (flags, variables, *in_files[::-1]):
        if given_switches := switches & set(found):
            if any(str(found[name]).lower() in TRUE for name in given_switches):
                layers.take("--quick", kind.quick_values)
            break
    layers.take(
        preset_source, {k.lower(): v for k, v in (preset or {}).items() if k.lower() in mine}
    )
    for file, found in zip(files, in_files, strict=True):
        layers.take(str(file), found)
    layers.take("environment", variables)
    layers.take("flag", flags)
    if layers.refused:
        raise UserError(f"would have no effect here: {'; '.join(layers.refused)}")
    sources = layers.sources
    sources |= {name: f"{sources[name]}{other}" for name, other in layers.overruled.items()}
    values = {
        name: None if value == "" and names[name].annotation == Path | None else value
        for name, value in layers.values.items()
    }
    try:
        ignored = tuple(dict.fromkeys(layers.ignored))
        return Loaded(kind.model_validate(values), sources, ignored)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        text = first["msg"].removeprefix("Value error, ")
        raise UserError(
            f"{name.upper()} from {sources.get(name, '?')}: {text} (given: {first['input']!r})"
        ) from error


def _read(file: Path) -> dict[str, str]:
    """NAME=value lines; ${HERE} is the file's folder. Raises UserError for other lines."""
    try:
        text = file.read_text(encoding="utf-8").replace(HERE, str(file.absolute().parent))
    except FileNotFoundError as error:
        raise UserError(f"{file}: no such settings file") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{file}: not UTF-8 ({error})") from error
    for line in parse_stream(io.StringIO(text)):
        if line.error or (line.key and line.value is None):
            written = line.original.string.strip()
            raise UserError(f"{file}:{line.original.line}: '{written}' is not NAME=value")
    found = dotenv_values(stream=io.StringIO(text))
    return {name: value for name, value in found.items() if value is not None}


def defaults_file(options: Mapping[str, Any], environment: Mapping[str, str]) -> Path:
    """Where the user's own defaults are."""
    folder = options.get("data_dir") or environment.get("DATA_DIR") or DATA_FOLDER
    return Path(folder) / DEFAULTS_FILE


def all_names() -> set[str]:
    """The names that any product knows: one file and one environment serve all commands."""
    found: set[str] = set()
    for product in PRODUCTS:
        kind: type[Settings] = import_module(f"trainer.{product}.settings").SETTINGS
        found |= {*kind.model_fields, *kind.aliases, *kind.ineffective, *kind.harmless}
    return found


def _refuse(where: str, unknown: Mapping[str, str]) -> None:
    """Raises UserError for unknown names, with what they may have meant."""
    if unknown:
        told = " ".join(f"unknown setting {name}{guess}" for name, guess in unknown.items())
        raise UserError(where + told)


def _misspelt(name: str, kind: type[Settings]) -> str:
    """A hint if a variable is nearly, or but for underscores, one of ours; empty if it is not."""
    names = [*kind.model_fields, *kind.aliases]
    plain = name.lower().replace("_", "")
    same = [own for own in names if own.replace("_", "") == plain]
    return f"; did you mean {same[0].upper()}?" if same else _guess(name, names, 0.85)


def _guess(name: str, names: Iterable[str], likeness: float = 0.7) -> str:
    close = difflib.get_close_matches(name.lower(), list(names), 1, likeness)
    return f"; did you mean {close[0].upper()}?" if close else ""
