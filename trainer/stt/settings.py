"""The settings of speech to text: the names of DeepSpeech 0.9.3's and Coqui STT 1.4.0's flags."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from trainer.errors import UserError
from trainer.settings import (
    Above0,
    BatchSize,
    Below1,
    Count,
    Fraction,
    NonNegative,
    Positive,
    Share,
    setting,
)
from trainer.stt.settings_augment import AugmentSettings
from trainer.stt.settings_scorer import ScorerSettings

if TYPE_CHECKING:
    from trainer.audio.mfcc import Features

FLAGS = tomllib.loads(Path(__file__).with_name("flags.toml").read_text(encoding="utf-8"))
FEATURES = "import train prove_export export"
NETWORK = "train prove_export export scores"
EXPORT = "prove_export export"
METADATA = "Metadata of the exported model."
CONFORMER = (  # what has an effect with MODEL=conformer
    "model", "network", "model_language", "train_files", "dev_files", "dev_share", "test_files",
    "download", "limit_train", "limit_dev", "limit_test", "max_seconds", "duplicate_sentence_count",
    "validate_rules", "alphabet_config_path", "normalize", "english_compatible", "epochs",
    "batch_seconds", "splice", "optimizer", "learning_rate", "learning_rate_schedule",
    "weight_decay", "automatic_mixed_precision", "early_stop", "es_epochs", "es_min_delta",
    "average_best", "random_seed", "keras_backend", "workers", "redo", "data_dir",
)  # fmt: skip


class SpeechSettings(ScorerSettings, AugmentSettings):
    """Of `train_language` and `trainer stt`."""

    repeatable: ClassVar[dict[str, str]] = {**AugmentSettings.repeatable, "network": ","}
    aliases: ClassVar[dict[str, list[str]]] = FLAGS["aliases"]
    ineffective: ClassVar[dict[str, str]] = FLAGS["ineffective"]
    harmless: ClassVar[dict[str, str]] = FLAGS["harmless"]
    harmless_values: ClassVar[dict[str, list[str]]] = FLAGS["harmless_values"]

    # training data: read in every run; the clips and transcripts found are in the steps' keys
    model_language: str = setting(
        "",
        "Language: a folder of lang/ with corpora, rules and text. Default in the image: fr.",
        steps="always",
        pattern="^[A-Za-z_-]*$",
    )
    train_files: str = setting(
        "",
        "CSV, TSV, JSONL or SDB files to train on, separated by commas; or corpora as "
        "reader:folder (common_voice:/data/fr).",
        steps="always",
    )
    dev_files: str = setting(
        "", "Files to choose weights by; default: DEV_SHARE of TRAIN_FILES.", steps="always"
    )
    dev_share: float = setting(
        0.1,
        "Share of speakers (or clips) held out as dev set if DEV_FILES is empty.",
        steps="always",
        gt=0,
        le=0.2,
    )
    test_files: str = setting("", "Files to test on.", steps="always")
    metrics_files: str = setting(
        "", "Extra evaluation sets, not used for selection; changing them retrains.", steps="always"
    )
    download: bool = setting(
        False, "Download missing corpora and texts of the language.", steps="none"
    )
    limit_train: Count = setting(0, "Most training clips to use; 0 means all.", steps="always")
    limit_dev: Count = setting(0, "Most dev clips to use; 0 means all.", steps="always")
    limit_test: Count = setting(0, "Most test clips to use; 0 means all.", steps="always")
    max_seconds: Above0 = setting(15.0, "Clips longer than this are rejected.", steps="import")
    duplicate_sentence_count: Positive = setting(
        1,
        "From 2 on, the maximum number of training clips with the same sentence; clips of Common "
        "Voice's validated.tsv are added up to this number.",
        steps="always",
    )
    validate_rules: Path | None = setting(
        None, "Rules of transcripts (rules.toml) instead of the language's.", steps="always"
    )
    alphabet_config_path: Path | None = setting(
        None,
        "Alphabet file, one label a line; otherwise the language's, or the characters of the "
        "transcripts. Clips with other characters are rejected.",
        steps="always",
    )
    normalize: bool = setting(False, "Fold transcripts and text to ASCII letters.", steps="always")
    english_compatible: bool = setting(
        False,
        "Fold to the 28 labels of the published English models, to keep all layers of their "
        "checkpoints.",
        steps="always",
    )
    bytes_output_mode: bool = setting(
        False,
        "Use the 255 bytes of UTF-8 as labels, for languages with thousands of characters. The "
        "scorer then consists of characters and needs transcripts mostly without spaces.",
        steps="lm_text tune",
    )

    # the network and its training
    model: str = setting(
        "deepspeech",
        "deepspeech, for DeepSpeech and Coqui STT; or conformer, for sherpa-onnx. Of a conformer, "
        "LEARNING_RATE, WEIGHT_DECAY and BATCH_SECONDS have other defaults: 0.002, 0.01 and 60.",
        steps="always",
        pattern="^(deepspeech|conformer)$",
    )
    network: str = setting(
        "",
        "Parameters of a conformer: NAME=VALUE, such as width=256 or chunk=16 (for speech as it "
        "arrives); repeatable.",
        steps="always",
    )
    n_hidden: int = setting(2048, "Width of all layers.", steps=NETWORK, ge=8, le=8192)
    layer_norm: bool = setting(
        False, "Layer normalisation after layers 1, 2, 3 and 5.", steps=NETWORK
    )
    relu_clip: Above0 = setting(20.0, "Upper limit of the rectifiers.", steps=NETWORK)
    epochs: int = setting(
        75,
        "Passes over the training set; 0: export starting weights.",
        steps="train",
        ge=0,
        le=100_000,
    )
    train_batch_size: BatchSize = setting(16, "Clips in a training step.", steps="train")
    batch_seconds: float = setting(
        0.0,
        "Seconds of audio per batch (about a third is padding) instead of a number of clips, so "
        "that all steps need similar memory. 0 means that TRAIN_BATCH_SIZE applies.",
        steps="train",
        ge=0,
        le=1e6,
    )
    # batch sizes without gradients change results by rounding only
    dev_batch_size: BatchSize = setting(
        16, "Clips in an evaluation step over dev files.", steps="none"
    )
    test_batch_size: BatchSize = setting(
        16, "Clips in an evaluation step over test files.", steps="none"
    )
    optimizer: str = setting(
        "adamw",
        "adamw, or muon: orthogonalised momentum for matrices, AdamW for the rest. Muon takes "
        "two thirds of the steps, each a fifth slower at N_HIDDEN=256 and more in wider networks.",
        steps="train",
        pattern="^(adamw|muon)$",
    )
    learning_rate: Fraction = setting(1e-3, "Highest learning rate.", steps="train")
    learning_rate_schedule: str = setting(
        "cosine",
        "cosine (with warm-up), or constant as in the original.",
        steps="train",
        pattern="^(cosine|constant)$",
    )
    beta1: Below1 = setting(0.9, "AdamW's beta 1.", steps="train")
    beta2: Below1 = setting(0.999, "AdamW's beta 2.", steps="train")
    epsilon: Above0 = setting(1e-8, "AdamW's epsilon.", steps="train")
    weight_decay: float = setting(
        0.05, "Weight decay (times the learning rate, each step).", steps="train", ge=0, le=100
    )
    dropout_rate: Below1 = setting(0.05, "Dropout after layer 1.", steps=NETWORK)
    dropout_rate2: float = setting(
        -1.0, "Dropout after layer 2; -1: same as DROPOUT_RATE.", steps=NETWORK, ge=-1, lt=1
    )
    dropout_rate3: float = setting(
        -1.0, "Dropout after layer 3; -1: same as DROPOUT_RATE.", steps=NETWORK, ge=-1, lt=1
    )
    dropout_rate6: float = setting(
        -1.0, "Dropout after layer 5; -1: same as DROPOUT_RATE.", steps=NETWORK, ge=-1, lt=1
    )
    voices: float = setting(
        1.0,
        "Strength of speaker perturbation, added noise and SpecAugment masks in training, in "
        "addition to AUGMENT; 0 disables them.",
        steps="train",
        ge=0,
        le=3,
    )
    splice: Share = setting(
        0.0,
        "Share of training clips replaced by new sentences made of words of the same speaker. For "
        "corpora of an hour or two, whose few sentences the network would memorise.",
        steps="train",
    )
    consistency: float = setting(
        0.0,
        "CR-CTC weight (Yao et al. 2025): two views of each clip in a step must agree. 0.2 suits "
        "small corpora, with half of TRAIN_BATCH_SIZE or BATCH_SECONDS; 0 disables it.",
        steps="train",
        ge=0,
        le=10,
    )
    automatic_mixed_precision: bool = setting(False, "16-bit arithmetic on GPUs.", steps="train")
    early_stop: bool = setting(
        False, "Stop after ES_EPOCHS epochs without a lower dev loss.", steps="train"
    )
    es_epochs: Positive = setting(25, "Epochs before early stop.", steps="train")
    es_min_delta: NonNegative = setting(
        0.05, "Smallest fall of dev loss that counts.", steps="train"
    )
    reduce_lr_on_plateau: bool = setting(
        False,
        "Return to the best weights with a lower learning rate when dev loss no longer falls.",
        steps="train",
    )
    plateau_epochs: Positive = setting(10, "Epochs that count as a plateau.", steps="train")
    plateau_reduction: Fraction = setting(0.1, "Learning rate factor on a plateau.", steps="train")
    average_best: int = setting(
        1, "Number of best epochs whose weights are averaged.", steps="train", ge=1, le=20
    )
    checkpoint_dir: Path | None = setting(
        None,
        "Folder for the trained checkpoint: made if it is missing, written to at the end, and "
        "started from if it holds one of another run.",
        steps="always",
    )
    save_checkpoint_dir: Path | None = setting(
        None, "Folder for the trained checkpoint, written to only.", steps="none"
    )
    export_dir: Path | None = setting(
        None, "Folder that also receives the exported files and the scorer.", steps="none"
    )
    test_output_file: Path | None = setting(
        None,
        "File that also receives the tested clips as JSON: file, reference, hypothesis, errors.",
        steps="none",
    )
    load_checkpoint_dir: Path | None = setting(
        None,
        "Starting weights: a checkpoint of DeepSpeech, Coqui STT or Voicekiln, with its "
        "alphabet.txt; /transfer-checkpoint if that is mounted.",
        steps="always",
    )
    drop_source_layers: int = setting(
        0, "Number of last layers to initialise anew.", steps="train", ge=0, le=6
    )
    inter_op_parallelism_threads: Count = setting(
        0, "Threads of TensorFlow; 0: automatic.", steps="none"
    )
    intra_op_parallelism_threads: Count = setting(
        0, "Threads of TensorFlow; 0: automatic.", steps="none"
    )

    # what is exported
    export_beam_width: Positive = setting(
        500,
        "Beam width of the test; clients also read it from the model.",
        steps=f"{EXPORT} test tune",
    )
    n_steps: int = setting(16, "Frames per inference call in clients.", steps=EXPORT, ge=1, le=1000)
    export_file_name: str = setting(
        "output_graph", "Name of the files.", steps="export test card", pattern=r"^[\w.-]+$"
    )
    export_zip: bool = setting(
        False, "Also write a zip of model (.tflite), scorer and model card.", steps="card"
    )
    export_language: str = setting("", "Language in the exported model.", steps=f"{EXPORT} card")
    export_author_id: str = setting("author", METADATA, steps="card")
    export_model_name: str = setting("model", METADATA, steps="card")
    export_model_version: str = setting("0.0.1", METADATA, steps="card")
    export_contact_info: str = setting("", METADATA, steps="card")
    export_license: str = setting("", METADATA, steps="card")
    export_description: str = setting("", METADATA, steps="card")
    export_min_ds_version: str = setting("0.7.0", METADATA, steps="card")
    export_max_ds_version: str = setting("0.9.3", METADATA, steps="card")
    export_min_stt_version: str = setting("1.0.0", METADATA, steps="card")
    export_max_stt_version: str = setting("1.4.0", METADATA, steps="card")

    feature_win_len: int = setting(
        32, "Feature window in ms; clients read it from the model.", steps=FEATURES, ge=10, le=200
    )
    feature_win_step: int = setting(
        20, "Window step in ms; clients read it from the model.", steps=FEATURES, ge=5, le=100
    )
    audio_sample_rate: int = setting(
        16_000,
        "Sample rate in Hz of training and of clients (8000 for telephones).",
        steps=f"{FEATURES} test",
        ge=8_000,
        le=48_000,
    )
    random_seed: Count = setting(4568, "Seed of every random choice.", steps="lm_text train tune")
    keras_backend: str = setting(
        "tensorflow",
        "Library for training: tensorflow, or jax for GPUs that TensorFlow does not support.",
        steps="train",
        pattern="^(tensorflow|jax)$",
    )

    @property
    def features(self) -> Features:
        """Rate and windows. Raises UserError for windows that clients cannot reproduce."""
        from trainer.audio.mfcc import Features  # no SciPy for --help

        rate = self.audio_sample_rate
        for name in ("feature_win_len", "feature_win_step"):
            milliseconds = getattr(self, name)
            # as clients compute it, sometimes a sample less
            if int(rate * (milliseconds / 1000)) * 1000 != rate * milliseconds:
                raise UserError(
                    f"{name.upper()}: {milliseconds} ms are not a whole number of samples at "
                    f"AUDIO_SAMPLE_RATE={rate} for clients: use one millisecond more or less"
                )
        if self.feature_win_step > self.feature_win_len:
            raise UserError(
                f"FEATURE_WIN_STEP={self.feature_win_step} is longer than "
                f"FEATURE_WIN_LEN={self.feature_win_len}: clients crash on such models"
            )
        return Features(rate, self.feature_win_len, self.feature_win_step)


SETTINGS = SpeechSettings
