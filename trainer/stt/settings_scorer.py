"""Settings of the scorer (the language model of the decoder) and of the decoder."""

from pathlib import Path

from trainer.settings import Count, NonNegative, Positive, Settings, setting

DECODER_ALPHA, DECODER_BETA = 0.931289039105002, 1.1834137581510284
RANGE = r"^(\d+(\.\d+)?,\d+(\.\d+)?,\d+)?$"


class ScorerSettings(Settings):
    """Text, n-grams, weights and search; names and defaults of the original `generate_lm.py`."""

    scorer_path: Path | None = setting(
        None, "A finished .scorer instead of one made from text.", steps="always"
    )
    scorer_alphabet: Path | None = setting(
        None,
        "Alphabet that SCORER_PATH was made for, if it is another one: its words are spelled anew.",
        steps="always",
    )
    lm_text: str = setting(
        "",
        "Texts for the scorer, separated by commas, with one sentence per line; `transcripts` "
        "means those of the training set; text*20 counts a text 20 times. If empty, the language's "
        "texts are used, or, for CSV files, no scorer is made.",
        steps="always",
    )
    lm_classes: str = setting(
        "",
        "File of interchangeable words, one class per line (january february march ...). Variants "
        "of the transcripts, with words replaced by others of their class, are added to the text. "
        "For small domains: numbers, dates, letters.",
        steps="always",
    )
    lm_top_k: Positive = setting(
        500_000,
        "Number of most frequent words (characters in bytes mode) in the scorer.",
        steps="language_model",
    )
    lm_order: int = setting(5, "Order of the n-grams.", steps="language_model", ge=2, le=6)
    lm_prune: str = setting(
        "0 0 1", "Pruning thresholds by n-gram order.", steps="language_model", pattern=r"^[0-9 ]*$"
    )
    lm_memory: str = setting(
        "2G", "Memory limit of lmplz.", steps="language_model", pattern=r"^[0-9]+[%bkKMGT]$"
    )
    lm_pointer_bits: int = setting(
        255, "build_binary's bits of compressed pointers.", steps="language_model", ge=0, le=255
    )
    lm_quantization_bits: int = setting(
        8, "Bits of each probability in the scorer.", steps="language_model", ge=2, le=25
    )
    lm_alpha: NonNegative = setting(
        DECODER_ALPHA, "Language model weight; if you set it, it is not tuned.", steps="always"
    )
    lm_beta: NonNegative = setting(
        DECODER_BETA,
        "Reward per word (per character in bytes mode); if you set it, it is not tuned.",
        steps="always",
    )
    lm_evaluate_range: str = setting(
        "5,5,40",
        "Search for LM_ALPHA and LM_BETA on dev clips, as alpha_max,beta_max,trials; an empty "
        "value disables it.",
        steps="always",
        pattern=RANGE,
    )
    cutoff_prob: float = setting(
        1.0, "Decoder: label probability mass kept; clients use 1.", steps="test tune", gt=0, le=1
    )
    cutoff_top_n: Positive = setting(
        40, "Decoder: most labels per frame if CUTOFF_PROB is below 1.", steps="test tune"
    )
    report_count: Count = setting(
        5, "Number of best, median and worst clips to show.", steps="test"
    )
