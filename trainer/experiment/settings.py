"""Settings of `trainer experiment run`: the same as the Python API, without Python."""

from pathlib import Path
from typing import ClassVar

from pydantic import field_validator

from trainer import models
from trainer.settings import Above0, Below1, Count, NonNegative, Positive, Settings, Share, setting

TRAIN = "always"  # another value is another run
TRACKERS = {"mlflow": "MLflow", "trackio": "Trackio"}  # -> class


class ExperimentSettings(Settings):
    """What is trained on what; the network's own parameters are given by `network`."""

    repeatable: ClassVar[dict[str, str]] = {"network": ",", "track": ","}

    name: str = setting("", "Name of the experiment; default: the model's.", steps="none")
    model: str = setting("conformer", f"Network: {', '.join(models.SPEECH)}.", steps=TRAIN)
    network: str = setting(
        "", "Parameters of the network: NAME=VALUE, such as layers=4; repeatable.", steps=TRAIN
    )
    train_files: str = setting(
        "", "Table of clips for training: CSV, TSV, JSON lines or manifest.", steps="always"
    )
    dev_files: str = setting(
        "", "Table of clips for validation; default: the split dev of the first.", steps="always"
    )
    test_files: str = setting("", "Table of clips to evaluate at the end.", steps="always")
    features: str = setting(
        "", "log_mel_N, mfcc_26 or spectrogram; default: what the network is made for.", steps=TRAIN
    )
    step_ms: Count = setting(
        0,
        "Milliseconds from one frame to the next; 0: 20 for mfcc_26, as DeepSpeech has them, else "
        "10. With 20, networks train twice as fast.",
        steps=TRAIN,
        le=40,
    )
    normalize: str = setting("fixed", "Features: fixed, or clip by clip.", steps=TRAIN)
    tempo: Below1 = setting(0.12, "Slower and faster speech in training, by so much.", steps=TRAIN)
    voices: Share = setting(
        1.0,
        "Strength of changes of the speaker and the microphone in training: vocal tract, level, "
        "spectrum, noise.",
        steps=TRAIN,
    )
    masks: Count = setting(
        2, "Masks over time and over bands in training (SpecAugment).", steps=TRAIN
    )
    splice: Share = setting(
        0.0,
        "Share of training clips replaced by sentences composed of the same speaker's words, for "
        "small corpora.",
        steps=TRAIN,
    )
    noises: Path | None = setting(None, "Folder of noises for training.", steps="always")
    rooms: Path | None = setting(None, "Folder of impulse responses for training.", steps="always")
    epochs: Positive = setting(40, "Passes over the training clips.", steps=TRAIN)
    batch_seconds: Above0 = setting(60.0, "Seconds of audio in a batch, with padding.", steps=TRAIN)
    learning_rate: Above0 = setting(0.002, "Learning rate.", steps=TRAIN)
    optimizer: str = setting("adamw", "adamw, muon or sgd.", steps=TRAIN)
    schedule: str = setting(
        "cosine", "Learning rate: cosine, constant or inverse_square_root.", steps=TRAIN
    )
    weight_decay: NonNegative = setting(0.01, "Decay of weights.", steps=TRAIN)
    validate_steps: Count = setting(
        0, "Training steps between two validations; 0: an epoch.", steps=TRAIN
    )
    patience: Count = setting(
        0, "End after so many validations without progress; 0: never.", steps=TRAIN
    )
    average_best: Positive = setting(
        1, "Mean of the weights at so many best validations.", steps=TRAIN
    )
    track: str = setting(
        "", "Send figures to mlflow or trackio too (extra `trackers`); repeatable.", steps="none"
    )
    automatic_mixed_precision: bool = setting(False, "Train in bfloat16, for GPUs.", steps=TRAIN)
    gpus: Positive = setting(1, "GPUs of this machine that share each batch.", steps="none", le=64)
    random_seed: Count = setting(4568, "Seed of weights, order and augmentation.", steps=TRAIN)
    keras_backend: str = setting("tensorflow", "tensorflow or jax.", steps=TRAIN)
    beam_width: Positive = setting(8, "Hypotheses in the evaluation at the end.", steps="none")
    definition: Path | None = setting(
        None, "definition.json of another run, instead of all of the above.", steps="always"
    )
    script: Path | None = setting(
        None, "Python file whose classes the definition uses.", steps="always"
    )

    @field_validator("model")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in models.SPEECH:
            raise ValueError(f"no network '{name}'; there are {', '.join(models.SPEECH)}")
        return name

    @field_validator("keras_backend")
    @classmethod
    def _backend(cls, name: str) -> str:
        if name not in ("tensorflow", "jax"):
            raise ValueError("there are tensorflow and jax")
        return name

    @field_validator("track")
    @classmethod
    def _trackers(cls, names: str) -> str:
        if strange := [one for one in names.split(",") if one.strip() not in ("", *TRACKERS)]:
            raise ValueError(f"no tracker '{strange[0].strip()}'; there are {', '.join(TRACKERS)}")
        return names


SETTINGS = ExperimentSettings
