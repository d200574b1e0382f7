"""The settings of wake words. Defaults are those of microWakeWord's Docker trainer."""

from pathlib import Path
from typing import Any, ClassVar

from pydantic import field_validator

from trainer import models
from trainer.settings import Count, Fraction, Settings, setting

QUICK = {"samples": 3000, "neural_samples": 160, "training_steps": 3000, "speech_hours": 2.0}
TASK = "detection"
SYNTHESIZE = "synthesize_phrase synthesize_confusable synthesize_speech synthesize_neural"
FEATURES = (
    "features_phrase features_confusable features_speech features_broken features_noise "
    "features_personal features_broken_personal features_negative "
    "features_neural_phrase features_neural_broken features_neural_confusable "
    "features_neural_speech features_real"
)
OF_SAMPLES = (
    "synthesize_phrase synthesize_confusable features_phrase features_confusable "
    "features_broken features_personal features_neural_phrase features_neural_broken "
    "features_neural_confusable"
)
OF_HOURS = "synthesize_speech features_speech features_noise features_neural_speech"


def language_tag(name: str) -> str:
    """pt_BR.UTF-8 -> pt-BR."""
    code, _, accent = name.partition(".")[0].replace("_", "-").partition("-")
    return f"{code.lower()}-{accent}" if accent else code.lower()


class WakeWordSettings(Settings):
    """Of `train_wake_word` and `trainer wakeword`."""

    quick_values: ClassVar[dict[str, Any]] = QUICK
    aliases: ClassVar[dict[str, list[str]]] = {"not": ["negative_phrases"]}
    repeatable: ClassVar[dict[str, str]] = {"also": ";", "negative_phrases": ";"}

    samples: int = setting(
        20_000, "Clips of the phrase to synthesize.", steps=OF_SAMPLES, ge=50, le=1_000_000
    )
    neural_samples: Count = setting(
        600,
        "Clips of the phrase that neural voices synthesize; half as many of confusable phrases and "
        "a quarter of other speech. About a processor second each; 0: no neural voices.",
        steps="synthesize_neural",
        le=100_000,
    )
    # with Piper it is in the parameters of its steps
    batch_size: int = setting(
        100, "Clips that Piper synthesizes in one batch.", steps="none", ge=1, le=10_000
    )
    training_steps: int = setting(25_000, "Training steps.", steps="train", ge=50, le=10_000_000)
    quick: bool = setting(
        False,
        "A smaller run for a first look: 3000 samples, 160 more by neural voices, 2 h of speech, "
        "3000 steps.",
        steps="none",
    )
    also: str = setting(
        "",
        "Another phrase, or another spelling of it, that wakes too; repeatable, or separated by ;",
        steps="always",
    )
    negative_phrases: str = setting(
        "",
        "A phrase that must not wake the device, as text (also --not); repeatable, or separated "
        "by ;",
        steps="always",
    )
    personal_samples: Path | None = setting(
        None,
        "Folder of your own recordings of the phrase, or one file; long takes with pauses are cut.",
        steps="always",
    )
    negative_samples: Path | None = setting(
        None, "Folder of recordings that must not wake the device.", steps="always"
    )
    captured: Path | None = setting(
        None,
        "Folder of clips that woke a device, with the captured.csv of `trainer wakeword captured`: "
        "wake=yes is trained as the phrase, wake=no as other sound.",
        steps="always",
    )
    language: str = setting(
        "en",
        "Language or accent of the phrase, as espeak-ng names it (en, en-gb, pt-br, cmn).",
        steps=f"{SYNTHESIZE} package",
        pattern=r"^[a-z]{2,3}(-[A-Za-z0-9-]+)?$",
    )
    speech_text: Path | None = setting(
        None,
        "Text from which other speech is synthesized; needed for languages without a word list.",
        steps="always",
    )
    starter: bool = setting(
        True,
        "Fetch the starter sets before a full run, where they are missing: 300 MB of real speech "
        "and music that must not wake the device.",
        steps="none",
    )
    engine: str = setting(
        "auto",
        "Speech engines: auto, or a list of kokoro (neural), espeak, flite (English), piper, and "
        "those added to the image: rhvoice, pico, mbrola.",
        steps=SYNTHESIZE,
    )
    model: str = setting(
        "mixednet", f"Model: {' or '.join(models.names(TASK))}.", steps="train prove_export export"
    )
    speech_hours: float = setting(
        8.0, "Hours of other speech to synthesize.", steps=OF_HOURS, gt=0.01, le=1000
    )
    training_batch_size: int = setting(
        128, "Windows in a training step.", steps="train", ge=8, le=4096
    )
    learning_rate: Fraction = setting(
        1e-3, "Highest learning rate of AdamW; it falls with a cosine.", steps="train"
    )
    weight_decay: float = setting(
        0.4,
        "Weight decay of AdamW (times the learning rate, each step).",
        steps="train",
        ge=0,
        le=100,
    )
    false_accepts_per_hour: float = setting(
        0.5, "Limit at which the cutoff is chosen.", steps="export", gt=0, le=100
    )
    seed: Count = setting(
        1, "Seed of every random choice.", steps=f"{SYNTHESIZE} {FEATURES} train export"
    )
    author: str = setting("Voicekiln", "Author in the manifest.", steps="package", min_length=1)
    keras_backend: str = setting(
        "tensorflow",
        "Library for training: tensorflow, or jax for GPUs that TensorFlow does not support. "
        "Give it as a variable: the Python environment depends on it.",
        steps="train",
        pattern="^(tensorflow|jax)$",
    )
    resume: bool = setting(
        True,
        "Resume an interrupted run; --no-resume starts training from the beginning.",
        steps="none",
    )
    cleanup_work_dir: bool = setting(
        False, "Remove this phrase's intermediate files at the end.", steps="none"
    )

    @field_validator("language", mode="before")
    @classmethod
    def _as_tag(cls, name: str) -> str:
        return language_tag(name)

    @field_validator("model")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in models.names(TASK):
            raise ValueError(f"no model '{name}'; there are {', '.join(models.names(TASK))}")
        return name


SETTINGS = WakeWordSettings
