"""The settings of speech engines."""

from typing import Any, ClassVar

from trainer.settings import Count, NonNegative, Positive, Share, setting
from trainer.spoken_code.gathering import SourceSettings

TEST_MODE = {
    "corpus_lines": 100_000,
    "g2p_words": 6000,
    "lm_words": 5000,
    "evaluation_commands": 40,
}
CORPUS = "corpus"
LM = "ngrams"


class SpeechEngineSettings(SourceSettings):
    """Of `train_speech_engine` and `trainer speech-engine`."""

    quick_values: ClassVar[dict[str, Any]] = TEST_MODE
    aliases: ClassVar[dict[str, list[str]]] = {"test_mode": ["quick"]}

    languages: str = setting(
        "all",
        "Programming languages of the sources, separated by commas: python, javascript, java, "
        "cplusplus, csharp, bash, go, html, kotlin, ruby, rust, scss, dart, default (English).",
        steps="always",
    )
    corpus_lines: Positive = setting(
        2_000_000, "Most spoken commands in the corpus.", steps=CORPUS, le=100_000_000
    )
    corpus_epochs: Positive = setting(
        1, "How often each file is turned into commands, each time others.", steps=CORPUS, le=100
    )
    seed: Count = setting(1, "Seed of all randomness.", steps="corpus spoken")
    acoustic_model: str = setting(
        "pocketsphinx",
        "Acoustic model: pocketsphinx (English, in the image), the folder of a speech-to-text run, "
        "a folder with a CTC model (model.onnx, tokens.txt), or a Kaldi nnet3 folder (final.mdl, "
        "tree, phones.txt).",
        steps="always",
    )
    lm_words: Positive = setting(
        20_000, "Most words that the engine knows.", steps="lexicon", le=1_000_000
    )
    lm_least_count: Positive = setting(
        2,
        "Words that are rarer than this in the corpus are of the class of hints.",
        steps="lexicon",
        le=1000,
    )
    lm_order: Positive = setting(
        3, "Order of the first language model, which the decoder searches with.", steps=LM, le=6
    )
    lm_prune: str = setting(
        "0 0 1", "N-grams seen as often are left out of the first model, by order.", steps=LM
    )
    rescore_order: Positive = setting(
        4, "Order of the second language model, which ranks alternatives again.", steps=LM, le=6
    )
    rescore_prune: str = setting("0 0 1 1", "The same of the second language model.", steps=LM)
    lm_memory: str = setting("1G", "Memory of lmplz; more is on disk.", steps="none")
    lm_text: str = setting(
        "",
        "Text of your own, a command a line: it is mixed in, with the weight that fits a tenth "
        "of it best; files separated by commas.",
        steps="always",
    )
    empty_share: Share = setting(
        0.02, "Share of empty utterances in the text, so that noise may be nothing.", steps=LM
    )
    g2p_words: Positive = setting(
        40_000, "Words of the dictionary that pronunciations are learned from.", steps="g2p"
    )
    review_confidence: Share = setting(
        0.6, "Guessed pronunciations less certain than this are in review.csv.", steps="lexicon"
    )
    hint_cost: NonNegative = setting(
        6.0,
        "Cost of a word given with --hints, as a natural logarithm: higher is more careful. From "
        "the hundredth word on, all cost more.",
        steps="evaluate engine",
    )
    test_files: str = setting(
        "",
        "Recordings of commands to measure on: CSV files with wav_filename and transcript, "
        "separated by commas.",
        steps="always",
    )
    evaluation_commands: Count = setting(
        240,
        "Commands of files held out from the corpus that are synthesized and measured on.",
        steps="spoken",
        le=10_000,
    )
    export_zip: bool = setting(False, "Also write speech-engine.tar.gz.", steps="none")


SETTINGS = SpeechEngineSettings
