"""The settings of code engines, and the profiles: geometry and schedule of a model."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar

from pydantic import ValidationInfo, field_validator

from trainer.settings import Below1, Count, Positive, setting
from trainer.spoken_code.gathering import SourceSettings
from trainer.spoken_code.pairs import AUTO_STYLE, KINDS, LANGUAGE_MODEL, PARSER

TEST_MODE = {"corpus_pairs": 20_000, "steps": 300, "evaluation_pairs": 100}
TRAIN, GEOMETRY = "train", "train prove export"


@dataclass(frozen=True)
class Profile:
    """Geometry and schedule. `lexicon`: tokens of the vocabulary, or pieces of the language model;
    `lengths`: (share of the steps, longest input) from short to long; `context`: tokens before the
    cursor that are read in use."""

    encoder_layers: int
    decoder_layers: int
    lexicon: int
    steps: int
    batch_tokens: int
    learning_rate: float
    label_smoothing: float = 0.0
    schedule: str = "inverse-sqrt"
    lengths: tuple[tuple[float, int], ...] = ((1.0, 200),)
    warm_up: int = 4000
    optimizer: str = "adam"
    context: int = 35


SHORT_TO_LONG = ((0.5, 16), (1.0, 48))
SHORT_CONTEXT = 16
PROFILES: dict[tuple[str, str], Profile] = {
    # Serenade's: https://github.com/serenadeai/serenade, scripts/serenade/code_engine
    ("serenade", AUTO_STYLE): Profile(8, 8, 5000, 200_000, 10_000, 1e-3),
    ("serenade", LANGUAGE_MODEL): Profile(6, 6, 10_000, 200_000, 10_000, 1e-3, 0.1),
    ("serenade", PARSER): Profile(6, 1, 3000, 200_000, 10_000, 1e-3),
    # what two cores learn in half an hour
    ("small", AUTO_STYLE): Profile(
        3, 3, 2000, 4000, 4000, 3e-3, 0.0, "cosine", SHORT_TO_LONG, 200, "muon", SHORT_CONTEXT
    ),
    ("small", LANGUAGE_MODEL): Profile(
        3, 3, 2000, 4000, 4000, 3e-3, 0.0, "cosine", SHORT_TO_LONG, 200, "muon", SHORT_CONTEXT
    ),
    ("small", PARSER): Profile(
        3, 1, 1000, 2500, 4000, 3e-3, 0.0, "cosine", ((1.0, 200),), 200, "muon"
    ),
}


class CodeEngineSettings(SourceSettings):
    """Of `train_code_engine` and `trainer code-engine`."""

    quick_values: ClassVar[dict[str, Any]] = TEST_MODE
    aliases: ClassVar[dict[str, list[str]]] = {"test_mode": ["quick"], "languages": ["language"]}

    model: str = setting(
        AUTO_STYLE,
        f"What is trained: {AUTO_STYLE} (spoken text to code), {LANGUAGE_MODEL} (what may be said "
        f"at a place) or {PARSER} (transcript to commands).",
        steps="corpus prepare train prove export evaluate",
        pattern=f"^({'|'.join(KINDS)})$",
    )
    language: str = setting(
        "python",
        "Programming language: python, javascript, java, cplusplus, csharp, bash, go, html, "
        f"kotlin, ruby, rust, scss, dart, default (English); for {PARSER} also several, or all.",
        steps="always",
    )
    profile: str = setting(
        "small",
        "Size and schedule: small (half an hour on two cores) or serenade (8+8, 6+6 or 6+1 layers, "
        "200,000 steps: for GPUs).",
        steps="prepare train prove export",
        pattern="^(small|serenade)$",
    )
    corpus_pairs: Positive = setting(
        2_000_000, "Most pairs to train on.", steps="corpus", le=1_000_000_000
    )
    corpus_epochs: Positive = setting(
        1, "How often each file is turned into pairs, each time others.", steps="corpus", le=100
    )
    seed: Count = setting(
        1, "Seed of all randomness.", steps="corpus prepare train prove export evaluate"
    )
    lexicon: Count = setting(
        0,
        "Tokens that the model knows; others are copied from what is said. 0: the profile's.",
        steps="prepare",
        le=60_000,
    )
    context: Count = setting(
        0,
        "Tokens before the cursor that the engine reads in use; 0: the profile's.",
        steps="prove export",
        le=50,
    )
    encoder_layers: Count = setting(0, "Layers; 0: the profile's.", steps=GEOMETRY, le=24)
    decoder_layers: Count = setting(0, "Layers; 0: the profile's.", steps=GEOMETRY, le=24)
    width: Positive = setting(96, "Width of the embeddings.", steps=GEOMETRY, le=2048)
    inner_width: Positive = setting(512, "Width inside of feed-forward layers.", steps=GEOMETRY)
    heads: Positive = setting(
        4, "Attention heads; they divide the width.", steps=GEOMETRY, le=64, validate_default=True
    )
    dropout: Below1 = setting(0.1, "Dropout behind each layer.", steps=GEOMETRY)
    steps: Count = setting(0, "Training steps; 0: the profile's.", steps=TRAIN, le=10_000_000)
    batch_tokens: Count = setting(
        0, "Tokens of a batch, on the longer side; 0: the profile's.", steps=TRAIN, le=1_000_000
    )
    learning_rate: float = setting(
        0.0, "Highest learning rate; 0: the profile's.", steps=TRAIN, ge=0, le=1
    )
    label_smoothing: float = setting(
        -1.0, "Share of the loss on all tokens; -1: the profile's.", steps=TRAIN, ge=-1, lt=1
    )
    validate_every: Positive = setting(
        500, "Steps between two looks at the dev set.", steps=TRAIN, le=1_000_000
    )
    early_stopping: Positive = setting(
        10, "Looks at the dev set without progress, after which training ends.", steps=TRAIN
    )
    mixed_precision: bool = setting(False, "Train in bfloat16, for GPUs.", steps=TRAIN)
    gpus: Positive = setting(
        1, "GPUs of this machine that share each batch: 1, 2, 4 or 8.", steps=TRAIN, le=8
    )
    keras_backend: str = setting(
        "tensorflow",
        "Library for training: tensorflow, or jax for GPUs that TensorFlow does not support, where "
        "it is installed.",
        steps=TRAIN,
        pattern="^(tensorflow|jax)$",
    )
    evaluation_pairs: Positive = setting(
        500, "Held-out pairs that are measured on.", steps="evaluate", le=100_000
    )
    beam: Positive = setting(10, "Hypotheses that are followed.", steps="evaluate", le=50)

    @field_validator("heads")
    @classmethod
    def _divides(cls, heads: int, given: ValidationInfo) -> int:
        width = given.data.get("width", heads)
        if width % heads or width % 2:
            raise ValueError(f"WIDTH={width} is not a multiple of 2 and of HEADS")
        return heads

    @property
    def base(self) -> Profile:
        """The profile of the model."""
        return PROFILES[self.profile, self.model]

    def resolved(self) -> Profile:
        """The profile with what was given instead."""
        base, smoothing = self.base, self.label_smoothing
        return replace(
            base,
            encoder_layers=self.encoder_layers or base.encoder_layers,
            decoder_layers=self.decoder_layers or base.decoder_layers,
            steps=self.steps or base.steps,
            batch_tokens=self.batch_tokens or base.batch_tokens,
            learning_rate=self.learning_rate or base.learning_rate,
            label_smoothing=smoothing if smoothing >= 0 else base.label_smoothing,
        )


SETTINGS = CodeEngineSettings
