"""The manifest (version 2) for ESPHome and pymicro-wakeword. ESPHome refuses unknown keys."""

import json
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from trainer.errors import UserError

MINIMUM_ESPHOME = "2024.7.0"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Micro(_Strict):
    """How a client decides."""

    probability_cutoff: float = Field(gt=0, lt=255 / 256)  # the largest mean is 255/256
    sliding_window_size: int = Field(ge=1)
    feature_step_size: int = Field(ge=1, le=30)
    tensor_arena_size: int = Field(gt=0)
    minimum_esphome_version: str = Field(pattern=r"^\d{4}\.\d{1,2}\.\d{1,2}$")


class Manifest(_Strict):
    """Version 2, as ESPHome's schema has it."""

    type: Literal["micro"] = "micro"
    wake_word: str = Field(min_length=1)
    author: str = Field(min_length=1)
    website: str = "https://github.com/voicekiln/voicekiln"
    model: str = Field(pattern=r"^[^/\\]+\.tflite$")
    trained_languages: list[str] = Field(min_length=1)
    version: Literal[2] = 2
    micro: Micro


def write(path: Path, manifest: Manifest) -> None:
    """Write it, and read it back as a client would."""
    path.write_text(
        json.dumps(manifest.model_dump(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    read(path)


def operating_point(path: Path) -> tuple[float, int]:
    """(cutoff, sliding window) of a manifest of version 1 or 2, anybody's. Raises UserError."""
    try:
        micro = json.loads(path.read_bytes())["micro"]
        window = micro.get("sliding_window_size", micro.get("sliding_window_average_size"))
        cutoff, window = float(micro["probability_cutoff"]), int(window)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"{path}: not a manifest with probability_cutoff and sliding_window_size ({error})"
        ) from error
    if not (0 < cutoff <= 1 and window >= 1):
        raise UserError(f"{path}: cutoff {cutoff:g} and window {window} are not usable")
    return cutoff, window


def read(path: Path) -> Manifest:
    """Read and validate a version 2 manifest. Raises UserError."""
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        raise UserError(f"{path}: {f'{key}: ' if key else ''}{first['msg']}") from error
