"""The settings of speech to text: the flags of DeepSpeech 0.9.3 and Coqui STT 1.4.0 with their names, and defaults where that makes sense."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from trainer.settings import Settings

if TYPE_CHECKING:
    from trainer.mfcc import Features

DECODER_ALPHA, DECODER_BETA = 0.931289039105002, 1.1834137581510284
DATA = "the data lie in /data/work, made once"
ORDER = "clips are drawn anew every epoch, the longest batch first"
ALWAYS = "it is always done"
FOLDERS = "finished models are in /data/output, checkpoints in /data/work"


class SpeechSettings(Settings):
    """Of `train_language` and `trainer stt`."""

    # other names of settings: of commonvoice-fr's container, of older releases
    aliases: ClassVar[dict[str, tuple[str, ...]]] = {
        "batch_size": ("train_batch_size", "dev_batch_size", "test_batch_size"), "dropout": ("dropout_rate",), "seed": ("random_seed",),
        "amp": ("automatic_mixed_precision",), "beam_width": ("export_beam_width",), "checkpoint_dir": ("load_checkpoint_dir",),
        "scorer": ("scorer_path",), "filter_alphabet": ("alphabet_config_path",), "utf8": ("bytes_output_mode",), "auto_input_dataset": ("train_files",),
        "metadata_author": ("export_author_id",), "metadata_model_name": ("export_model_name",), "metadata_license": ("export_license",),
        "metadata_model_version": ("export_model_version",), "metadata_contact_info": ("export_contact_info",),
        "metadata_language": ("export_language",), "metadata_description": ("export_description",),
        "metadata_min_ds_version": ("export_min_ds_version",), "metadata_max_ds_version": ("export_max_ds_version",),
        "metadata_min_stt_version": ("export_min_stt_version",), "metadata_max_stt_version": ("export_max_stt_version",),
    }
    # flags of the original trainers that would do nothing here, and why; giving one is an error
    ineffective: ClassVar[dict[str, str]] = {
        "read_buffer": DATA, "feature_cache": DATA, "cache_for_epochs": "augmentation is drawn for every step", "export_batch_size": "clients take one stream",
        "dropout_rate4": "the network has no layer that it belongs to, in the original neither",
        "dropout_rate5": "the network has no layer that it belongs to, in the original neither",
        "load_cudnn": "checkpoints of both kinds are read", "train_cudnn": "weights have one form on all machines",
        "reverse_train": ORDER, "reverse_dev": ORDER, "reverse_test": ORDER, "shuffle_batches": ORDER, "shuffle_start": ORDER, "shuffle_buffer": ORDER,
        "save_checkpoint_dir": FOLDERS, "checkpoint_secs": "a checkpoint is written every 20 s at most", "max_to_keep": FOLDERS,
        "load_train": "LOAD_CHECKPOINT_DIR says it", "load_evaluate": "the weights that were trained are tested", "export_dir": FOLDERS,
        "remove_export": FOLDERS, "export_tflite": ALWAYS, "export_quantize": "both forms are always written",
        "export_savedmodel": "no client reads it", "show_progressbar": "a terminal has bars, a log has lines", "log_placement": "there are no placements to log",
        "summary_dir": "TensorBoard's curves lie in the model's logs/", "test_output_file": "it is test.json in the model's folder",
        "force_initialize_learning_rate": "the learning rate never comes from a checkpoint", "one_shot_infer": "use `trainer stt transcribe`",
        "vocab_file": "words come from LM_TEXT", "normalize_sample_rate": ALWAYS, "skip_batch_test": "the longest batch is the first that is trained",
        "log_level": "the terminal shows what matters, training.log everything", "use_allow_growth": "set TF_FORCE_GPU_ALLOW_GROWTH=true",
        "lm_alpha_max": "LM_EVALUATE_RANGE=alpha_max,beta_max,trials", "lm_beta_max": "LM_EVALUATE_RANGE=alpha_max,beta_max,trials",
        "n_trials": "LM_EVALUATE_RANGE=alpha_max,beta_max,trials", "augmentation_sparse_warp": "it never worked in the original; use --augment warp[...]",
    }

    # what to train on
    model_language: str = Field("", pattern="^[A-Za-z_-]*$", description="A folder of lang/: corpora, rules, text. Of `train_language`; fr in the image.")
    train_files: str = Field("", description="CSV, TSV, JSONL or SDB files to train on, separated by commas; or corpora as reader:folder (common_voice:/data/fr).")
    dev_files: str = Field("", description="Those by which weights are chosen; without them DEV_SHARE of TRAIN_FILES.")
    dev_share: float = Field(0.1, gt=0, le=0.2, description="Share of the speakers (of the clips, where speakers are unknown) that is held out without DEV_FILES.")
    test_files: str = Field("", description="Those to test on.")
    metrics_files: str = Field("", description="Measured besides the dev files in each round of training, without any effect on it; others train anew.")
    download: bool = Field(False, description="Also download the corpora and texts of the language that are not in sources/.")
    limit_train: int = Field(0, ge=0, description="Only so many clips; 0: all.")
    limit_dev: int = Field(0, ge=0, description="Only so many clips; 0: all.")
    limit_test: int = Field(0, ge=0, description="Only so many clips; 0: all.")
    max_seconds: float = Field(15.0, gt=0, description="Longer clips are set aside.")
    duplicate_sentence_count: int = Field(1, ge=1, description="From 2 on: how often a sentence may be trained on; clips of Common Voice's validated.tsv are taken until then.")
    validate_rules: Path | None = Field(None, description="Rules of transcripts (rules.toml) instead of the language's; for CSV files: else none.")
    alphabet_config_path: Path | None = Field(None, description="Alphabet: one label a line; else the language's, or the characters of the transcripts. "
                                              "Clips with others are set aside.")
    normalize: bool = Field(False, description="Fold transcripts and text to ASCII letters.")
    english_compatible: bool = Field(False, description="Fold to the 28 labels of the published English models, to keep all layers of their checkpoints.")
    bytes_output_mode: bool = Field(False, description="Labels are the 255 bytes of UTF-8: for languages with thousands of characters. "
                                    "A scorer is then made of characters, if most transcripts have no spaces.")

    # the network and how it is trained
    n_hidden: int = Field(2048, ge=8, le=8192, description="Width of all layers.")
    layer_norm: bool = Field(False, description="Layer normalisation after layers 1, 2, 3 and 5.")
    relu_clip: float = Field(20.0, gt=0, description="Where the rectifiers are clipped.")
    epochs: int = Field(75, ge=0, le=100_000, description="Times that every clip is heard; 0 exports the starting weights.")
    train_batch_size: int = Field(16, ge=1, le=4096, description="Clips in a training step.")
    batch_seconds: float = Field(0.0, ge=0, le=1e6, description="Instead of so many clips, so many seconds of audio in a training step at most, padding included (two thirds of "
                                 "it on average): few long clips, many short ones, so that steps need like memory. 0: TRAIN_BATCH_SIZE.")
    dev_batch_size: int = Field(16, ge=1, le=4096, description="Clips in a step over dev files.")
    test_batch_size: int = Field(16, ge=1, le=4096, description="Clips in a step over test files.")
    optimizer: str = Field("adamw", pattern="^(adamw|muon)$", description="muon: each step moves a matrix in all its directions alike (vectors and the last layer by "
                           "AdamW). Learns in two thirds of the steps at N_HIDDEN=256, each a fifth longer; the wider the network, the dearer.")
    learning_rate: float = Field(1e-3, gt=0, lt=1, description="Highest learning rate.")
    learning_rate_schedule: str = Field("cosine", pattern="^(cosine|constant)$", description="cosine: rises, then falls to nothing; constant: as the original.")
    beta1: float = Field(0.9, ge=0, lt=1, description="Of AdamW.")
    beta2: float = Field(0.999, ge=0, lt=1, description="Of AdamW.")
    epsilon: float = Field(1e-8, gt=0, description="Of AdamW.")
    weight_decay: float = Field(0.05, ge=0, le=100, description="Weight decay (times the learning rate, each step).")
    dropout_rate: float = Field(0.05, ge=0, lt=1, description="Dropout after layer 1.")
    dropout_rate2: float = Field(-1.0, ge=-1, lt=1, description="After layer 2; -1: as DROPOUT_RATE.")
    dropout_rate3: float = Field(-1.0, ge=-1, lt=1, description="After layer 3; -1: as DROPOUT_RATE.")
    dropout_rate6: float = Field(-1.0, ge=-1, lt=1, description="After layer 5; -1: as DROPOUT_RATE.")
    voices: float = Field(1.0, ge=0, le=3, description="How much voices, tempo, microphones and noise are changed in training, besides AUGMENT; 0: not.")
    splice: float = Field(0.0, ge=0, le=1, description="Share of the clips of training that are put together anew from words of the same speaker: for corpora of "
                          "an hour or two, whose sentences would be learned by heart.")
    consistency: float = Field(0.0, ge=0, le=10, description="Hear each clip twice in a step, with other noise and gaps (VOICES), and let both hearings tell the same, with this "
                               "weight: 0.2 for small corpora, and half of TRAIN_BATCH_SIZE or BATCH_SECONDS. 0: not.")
    augment: str = Field("", description="Augmentations in the syntax of DeepSpeech, separated by spaces: pitch[p=0.1,pitch=1~0.2] reverb[p=0.1]. "
                         "The flag may be given several times.")
    data_aug_features_additive: float = Field(0, ge=0, description="Of DeepSpeech 0.7: as add[stddev=...].")
    data_aug_features_multiplicative: float = Field(0, ge=0, description="Of DeepSpeech 0.7: as multiply[stddev=...].")
    augmentation_speed_up_std: float = Field(0, ge=0, description="Of DeepSpeech 0.7: as tempo with factors about 1.")
    augmentation_spec_dropout_keeprate: float = Field(1, gt=0, le=1, description="Of DeepSpeech 0.7: as dropout[rate=1-...].")
    augmentation_freq_and_time_masking: bool = Field(False, description="Of DeepSpeech 0.7: as frequency_mask and time_mask.")
    augmentation_freq_and_time_masking_freq_mask_range: int = Field(5, ge=1, description="Of it: bins.")
    augmentation_freq_and_time_masking_number_freq_masks: int = Field(3, ge=0, description="Of it.")
    augmentation_freq_and_time_masking_time_mask_range: int = Field(2, ge=1, description="Of it: frames.")
    augmentation_freq_and_time_masking_number_time_masks: int = Field(3, ge=0, description="Of it.")
    augmentation_pitch_and_tempo_scaling: bool = Field(False, description="Of DeepSpeech 0.7: as pitch and tempo.")
    augmentation_pitch_and_tempo_scaling_min_pitch: float = Field(0.95, gt=0, description="Of it.")
    augmentation_pitch_and_tempo_scaling_max_pitch: float = Field(1.2, gt=0, description="Of it.")
    augmentation_pitch_and_tempo_scaling_max_tempo: float = Field(1.2, ge=1, description="Of it.")
    automatic_mixed_precision: bool = Field(False, description="16-bit arithmetic on GPUs.")
    early_stop: bool = Field(False, description="Stop when dev loss has not fallen for ES_EPOCHS epochs.")
    es_epochs: int = Field(25, ge=1, description="Epochs that early stop waits.")
    es_min_delta: float = Field(0.05, ge=0, description="By how much dev loss must fall to count.")
    reduce_lr_on_plateau: bool = Field(False, description="Go back to the best weights with a lower learning rate when dev loss no longer falls.")
    plateau_epochs: int = Field(10, ge=1, description="Epochs that this waits.")
    plateau_reduction: float = Field(0.1, gt=0, lt=1, description="Factor of the learning rate then.")
    average_best: int = Field(1, ge=1, le=20, description="Average the weights of so many best epochs.")
    load_checkpoint_dir: Path | None = Field(None, description="Starting weights: checkpoint of DeepSpeech, Coqui STT or ours, with its alphabet.txt; "
                                             "/transfer-checkpoint if that is mounted.")
    drop_source_layers: int = Field(0, ge=0, le=6, description="Last layers of the starting weights that begin anew.")
    inter_op_parallelism_threads: int = Field(0, ge=0, description="Threads of TensorFlow; 0: it decides.")
    intra_op_parallelism_threads: int = Field(0, ge=0, description="Threads of TensorFlow; 0: it decides.")

    # the scorer
    scorer_path: Path | None = Field(None, description="A finished .scorer instead of one from a text.")
    lm_text: str = Field("", description="Text for the scorer, a sentence a line; `transcripts` takes those of the training set; several are separated "
                         "by commas, text*20 counts 20 times; empty: the language's texts, or, for CSV files, no scorer.")
    lm_classes: str = Field("", description="File of words that may stand for each other, one class a line (january february march ...): transcripts are "
                            "also taken with words replaced by others of their class. For small domains: numbers, dates, letters.")
    lm_top_k: int = Field(500_000, ge=1, description="Most frequent words (characters in bytes mode) that the scorer knows.")
    lm_order: int = Field(5, ge=2, le=6, description="Order of the n-grams.")
    lm_prune: str = Field("0 0 1", pattern=r"^[0-9 ]*$", description="Counts up to which n-grams of each order are left out.")
    lm_memory: str = Field("2G", pattern=r"^[0-9]+[%bkKMGT]$", description="Memory that lmplz may take.")
    lm_pointer_bits: int = Field(255, ge=0, le=255, description="Bits of pointers that build_binary may save.")
    lm_quantization_bits: int = Field(8, ge=2, le=25, description="Bits of each probability in the scorer.")
    lm_alpha: float = Field(DECODER_ALPHA, ge=0, description="Weight of the language model; given, it is not tuned.")
    lm_beta: float = Field(DECODER_BETA, ge=0, description="Reward of each word (of each character in bytes mode); given, it is not tuned.")
    lm_evaluate_range: str = Field("5,5,40", pattern=r"^(\d+(\.\d+)?,\d+(\.\d+)?,\d+)?$", description="alpha_max,beta_max,trials: what is tried on dev clips for "
                                   "LM_ALPHA and LM_BETA; an empty flag: nothing.")
    cutoff_prob: float = Field(1.0, gt=0, le=1, description="Of the decoder: labels up to this sum of probabilities; clients take 1.")
    cutoff_top_n: int = Field(40, ge=1, description="Of the decoder: most probable labels in a step, with CUTOFF_PROB below 1.")
    report_count: int = Field(5, ge=0, description="Best, median and worst clips that are shown.")

    # what is exported
    export_beam_width: int = Field(500, ge=1, description="Beam width that clients take from the model, and of the test.")
    n_steps: int = Field(16, ge=1, le=1000, description="Frames that clients hand over at once.")
    export_file_name: str = Field("output_graph", pattern=r"^[\w.-]+$", description="Name of the files.")
    export_zip: bool = Field(False, description="Also a zip of model (.tflite), scorer and description.")
    export_language: str = Field("", description="Language written into the model.")
    export_author_id: str = Field("author", description="In the model's description.")
    export_model_name: str = Field("model", description="In the model's description.")
    export_model_version: str = Field("0.0.1", description="In the model's description.")
    export_contact_info: str = Field("", description="In the model's description.")
    export_license: str = Field("", description="In the model's description.")
    export_description: str = Field("", description="In the model's description.")
    export_min_ds_version: str = Field("0.7.0", description="In the model's description.")
    export_max_ds_version: str = Field("0.9.3", description="In the model's description.")
    export_min_stt_version: str = Field("1.0.0", description="In the model's description.")
    export_max_stt_version: str = Field("1.4.0", description="In the model's description.")

    feature_win_len: int = Field(32, ge=10, le=200, description="Milliseconds of sound in a frame; clients read it from the model.")
    feature_win_step: int = Field(20, ge=5, le=100, description="Milliseconds from one frame to the next; clients read it from the model.")
    audio_sample_rate: int = Field(16_000, ge=8_000, le=48_000, description="Hz: all sound is brought to it, and clients must hear it so (8000 for telephones).")
    random_seed: int = Field(4568, ge=0, description="Seed of every random choice.")
    keras_backend: str = Field("tensorflow", pattern="^tensorflow$", description="What trains.")
    workers: int = Field(0, ge=0, le=1024, description="Worker processes; 0 takes one per core.")
    redo: str = Field("", description="Steps to do again: names with commas, or all.")
    data_dir: Path = Field(Path("/data"), description="Where everything is written; archives are looked for in its sources/.")

    @property
    def features(self) -> Features:
        """Raises ValueError for windows that clients would hear otherwise, or not at all."""
        from trainer.mfcc import Features  # no SciPy for --help

        rate = self.audio_sample_rate
        for name in ("feature_win_len", "feature_win_step"):
            milliseconds = getattr(self, name)
            if int(rate * (milliseconds / 1000)) * 1000 != rate * milliseconds:  # as clients compute it, which at times is a sample less
                raise ValueError(f"{name.upper()}: {milliseconds} ms are no whole number of samples at AUDIO_SAMPLE_RATE={rate} for clients: "
                                 "take one more or less")
        if self.feature_win_step > self.feature_win_len:
            raise ValueError(f"FEATURE_WIN_STEP={self.feature_win_step} is longer than FEATURE_WIN_LEN={self.feature_win_len}: clients crash on such models")
        return Features(self.audio_sample_rate, self.feature_win_len, self.feature_win_step)

    def augmentations(self) -> str:
        """AUGMENT, after the flags of DeepSpeech 0.7 in their order."""
        found = []
        if self.augmentation_spec_dropout_keeprate < 1:
            found.append(f"dropout[rate={1 - self.augmentation_spec_dropout_keeprate:g}]")
        if self.augmentation_freq_and_time_masking:  # sizes were drawn from 0 to the range
            prefix = "augmentation_freq_and_time_masking"
            for name, unit, count, size in (("frequency_mask", 1, "freq_masks", "freq_mask"), ("time_mask", self.feature_win_step, "time_masks", "time_mask")):
                half = getattr(self, f"{prefix}_{size}_range") * unit / 2
                found.append(f"{name}[n={getattr(self, f'{prefix}_number_{count}')},size={half:g}~{half:g}]")
        if self.augmentation_pitch_and_tempo_scaling:
            low, high = self.augmentation_pitch_and_tempo_scaling_min_pitch, self.augmentation_pitch_and_tempo_scaling_max_pitch
            fastest = self.augmentation_pitch_and_tempo_scaling_max_tempo
            found += [f"pitch[pitch={(low + high) / 2:g}~{(high - low) / 2:g}]", f"tempo[factor={(1 + fastest) / 2:g}~{(fastest - 1) / 2:g}]"]
        if self.augmentation_speed_up_std:
            found.append(f"tempo[factor={1 + self.augmentation_speed_up_std:g}~{self.augmentation_speed_up_std:g}]")
        if self.data_aug_features_multiplicative:
            found.append(f"multiply[stddev={self.data_aug_features_multiplicative:g}]")
        if self.data_aug_features_additive:
            found.append(f"add[stddev={self.data_aug_features_additive:g}]")
        return " ".join([*found, self.augment]).strip()
