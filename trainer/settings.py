"""Settings: one definition for flags, environment, `/data/.defaults.env` and documentation.

Later wins: defaults < --quick < language < .defaults.env < environment < flag. An unknown name in the file, and a variable that
looks like a misspelt one, is an error.
"""

from __future__ import annotations

import difflib
import io
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

from dotenv import dotenv_values
from dotenv.parser import parse_stream
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from trainer import models

DEFAULTS_FILE = ".defaults.env"
QUICK = {"samples": 3000, "training_steps": 3000, "speech_hours": 2.0}
# for the libraries, not for us; allowed in the file
PASSED_ON = ("CUDA_VISIBLE_DEVICES", "TF_FORCE_GPU_ALLOW_GROWTH", "TF_CPP_MIN_LOG_LEVEL")


class SettingsError(Exception):
    """A setting that is unknown or has no sense; one line."""


class Settings(BaseSettings):
    """Every setting has a flag (`--training-steps=N`) and a variable (`TRAINING_STEPS`) of its name."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid")
    quick_values: ClassVar[dict[str, Any]] = {}
    aliases: ClassVar[dict[str, tuple[str, ...]]] = {}  # other names that are understood
    ineffective: ClassVar[dict[str, str]] = {}  # names of other trainers that would do nothing, and why

    @classmethod
    def switches(cls) -> set[str]:
        """Settings that are true or false, and other names of them."""
        names = {name for name, field in cls.model_fields.items() if field.annotation is bool}
        return names | {alias for alias, meant in cls.aliases.items() if names & set(meant)}

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource, dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what `load` resolved: it must know where each value came from."""
        return (init_settings,)


class WakeWordSettings(Settings):
    """Of `train_wake_word`."""

    quick_values: ClassVar[dict[str, Any]] = QUICK

    samples: int = Field(20_000, ge=50, le=1_000_000, description="Clips of the phrase to synthesize.")
    batch_size: int = Field(100, ge=1, le=10_000, description="Clips that Piper speaks at once.")
    training_steps: int = Field(25_000, ge=50, le=10_000_000, description="Training steps.")
    quick: bool = Field(False, description="A smaller run for a first look: 3000 samples, 2 h of speech, 3000 steps.")
    personal_samples: Path | None = Field(None, description="Folder of your own recordings of the phrase.")
    negative_samples: Path | None = Field(None, description="Folder of recordings that must not wake the device.")
    language: str = Field("en", pattern=r"^[a-z]{2,3}(-[A-Za-z0-9-]+)?$", description="Language of the phrase, as espeak-ng names it.")
    engine: str = Field("auto", description="Speech engines: auto, or a list of espeak, flite (English), piper.")
    model: str = Field("mixednet", description=f"Model: {' or '.join(models.NAMES)}.")
    speech_hours: float = Field(8.0, gt=0.01, le=1000, description="Hours of other speech to synthesize.")
    training_batch_size: int = Field(128, ge=8, le=4096, description="Windows in a training step.")
    learning_rate: float = Field(1e-3, gt=0, lt=1, description="Highest learning rate of AdamW; it falls with a cosine.")
    weight_decay: float = Field(0.4, ge=0, le=100, description="Weight decay of AdamW (times the learning rate, each step).")
    false_accepts_per_hour: float = Field(0.5, gt=0, le=100, description="Limit for which weights and cutoff are chosen.")
    seed: int = Field(1, ge=0, description="Seed of every random choice.")
    author: str = Field("Voicekiln", min_length=1, description="Author in the manifest.")
    keras_backend: str = Field("tensorflow", pattern="^(tensorflow|jax)$", description="What trains: tensorflow, or jax for GPUs that "
                               "TensorFlow does not support. Give it as a variable: the Python environment depends on it.")
    workers: int = Field(0, ge=0, le=1024, description="Worker processes; 0 takes one per core.")
    resume: bool = Field(True, description="Go on with what an interrupted run left; --no-resume starts its step over.")
    redo: str = Field("", description="Steps to do again: names with commas, or all.")
    cleanup_work_dir: bool = Field(False, description="Remove this phrase's intermediate files at the end.")
    data_dir: Path = Field(Path("/data"), description="Where everything is written.")


class Loaded(BaseModel):
    """Settings and the source of each."""

    model_config = ConfigDict(frozen=True)
    settings: Any
    sources: dict[str, str]

    def lines(self) -> list[str]:
        """`NAME = value  (source)`, those that differ from the defaults first."""
        rows = [(name, getattr(self.settings, name), self.sources[name]) for name in type(self.settings).model_fields]
        rows.sort(key=lambda row: row[2] == "default")
        return [f"{name.upper():24} {'' if value is None else value!s:22} {source}" for name, value, source in rows]


def load(
    flags: Mapping[str, Any], environment: Mapping[str, str] | None = None, kind: type[Settings] = WakeWordSettings,
    language: Mapping[str, str] | None = MappingProxyType({}), language_source: str = "",
) -> Loaded:
    """Resolve the settings of one kind. `flags`: those given on the command line; `language`: what its folder sets, and which it is; None
    while it is not known yet, when unknown names in the file may be its.

    Raises SettingsError with one line.
    """
    environment = os.environ if environment is None else environment
    names = kind.model_fields
    known = all_names()
    file = defaults_file(flags, environment)
    given = _read(file) if file.is_file() else {}
    for name, value in given.items():
        if name in PASSED_ON:
            os.environ.setdefault(name, value)
        elif name.lower() not in known and language is not None and name not in language:
            raise SettingsError(f"{file}: unknown setting {name}{_guess(name, names)}")
    for name in environment:
        if "_" in name and name != name.upper() and name.lower() in names:  # single words, such as `language`, may be others'
            raise SettingsError(f"environment: {name} has no effect: write {name.upper()}")
    for where, found in (("environment", environment), (language_source, language or {})):
        for name in found:
            if name.lower() not in known and (guess := _guess(name, names, 0.87)):
                raise SettingsError(f"{where}: unknown setting {name}{guess}")
    values: dict[str, Any] = {}
    sources = dict.fromkeys(names, "default")
    overruled: dict[str, str] = {}

    def take(source: str, found: Mapping[str, Any]) -> None:
        for name, value in found.items():
            if name in kind.ineffective and value not in ("", None):
                raise SettingsError(f"{name.upper()} from {source} would have no effect: {kind.ineffective[name]}")
            targets = kind.aliases.get(name, (name,))
            for target in targets:
                if target in names and (target == name or target not in found):
                    values[target], sources[target] = value, source if target == name else f"{source} ({name.upper()})"
            if name not in targets and len(targets) == 1 and found.get(targets[0], value) != value:
                overruled[targets[0]] = f", not {name.upper()}={value}"

    mine = {*names, *kind.aliases, *kind.ineffective}
    from_environment = {n: environment[n.upper()] for n in mine if environment.get(n.upper(), "") != ""}
    # Linux desktops use LANGUAGE for a list of locales
    if ":" in from_environment.get("language", "") or "_" in from_environment.get("language", ""):
        del from_environment["language"]
    from_flags = {k: v for k, v in flags.items() if v is not None}
    from_file = {k.lower(): v for k, v in given.items() if k.lower() in mine}
    quick = from_flags.get("quick", from_environment.get("quick", from_file.get("quick", False)))
    if str(quick).lower() in ("1", "true", "yes", "on"):
        take("--quick", kind.quick_values)
    take(language_source, {k.lower(): v for k, v in (language or {}).items() if k.lower() in mine})
    take(str(file), from_file)
    take("environment", from_environment)
    take("flag", from_flags)
    sources |= {name: f"{sources[name]}{other}" for name, other in overruled.items()}
    values = {name: None if value == "" and names[name].annotation == Path | None else value for name, value in values.items()}
    try:
        settings = kind(**values)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        raise SettingsError(f"{name.upper()} from {sources.get(name, '?')}: {first['msg']} (given: {first['input']!r})") from error
    if isinstance(settings, WakeWordSettings) and settings.model not in models.NAMES:
        raise SettingsError(f"MODEL: no model '{settings.model}'; there are {', '.join(models.NAMES)}")
    return Loaded(settings=settings, sources=sources)


def _read(file: Path) -> dict[str, str]:
    """NAME=value lines. Raises SettingsError for others, which dotenv would pass over."""
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise SettingsError(f"{file}: not UTF-8 ({error})") from error
    for line in parse_stream(io.StringIO(text)):
        if line.error or (line.key and line.value is None):
            raise SettingsError(f"{file}:{line.original.line}: '{line.original.string.strip()}' is not NAME=value")
    return {name: value for name, value in dotenv_values(stream=io.StringIO(text)).items() if value is not None}


def defaults_file(flags: Mapping[str, Any], environment: Mapping[str, str]) -> Path:
    """Where the user's own defaults are."""
    return Path(flags.get("data_dir") or environment.get("DATA_DIR") or "/data") / DEFAULTS_FILE


def kinds() -> dict[str, type[Settings]]:
    """All settings classes by name: one file and one environment serve all commands."""
    from trainer.settings_stt import SpeechSettings

    return {kind.__name__: kind for kind in (WakeWordSettings, SpeechSettings)}


def all_names() -> set[str]:
    """Names that any command knows."""
    return {name for kind in kinds().values() for name in (*kind.model_fields, *kind.aliases, *kind.ineffective)}


def _guess(name: str, names: Iterable[str], likeness: float = 0.7) -> str:
    close = difflib.get_close_matches(name.lower(), list(names), 1, likeness)
    return f"; did you mean {close[0].upper()}?" if close else ""
