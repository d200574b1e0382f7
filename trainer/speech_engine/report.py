"""The report page and the model card of a speech engine, as data."""

import csv
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainer.metrics.retrieval import RANKS
from trainer.page import Card, Page, Table, percent
from trainer.speech_engine import engine, ngrams, recognizers
from trainer.speech_engine.acoustics import Acoustics
from trainer.speech_engine.settings import SpeechEngineSettings
from trainer.spoken_code.material import COUNTS, SOURCE_COLUMNS, rejected_rows, source_rows

RATE_COLUMNS = ["clips of", "recogniser", "family", "clips", "WER", "95 %", *(
    f"recall@{rank}" for rank in RANKS
)]  # fmt: skip
Rows = list[list[str]]
SMALLEST_SHOWN = 500_000  # bytes of a file
RUNTIMES = {
    "pocketsphinx": "PocketSphinx 5: -hmm acoustic -dict commands.dict -lm commands.lm",
    "deepspeech": "DeepSpeech 0.9.3 and Coqui STT 1.4: the model with kenlm.scorer",
    "sherpa": "sherpa-onnx: model.onnx, tokens.txt, TLG.fst",
    "vosk": "Vosk: the folder as a model",
}
WHY_NOT = {
    ("deepspeech", "pocketsphinx"): "needs a CTC model of letters: ACOUSTIC_MODEL=<folder of a "
    "speech-to-text run>",
    (
        "sherpa",
        "pocketsphinx",
    ): "needs a CTC model in ONNX: ACOUSTIC_MODEL=<folder with model.onnx>",
    ("vosk", "pocketsphinx"): "needs a Kaldi nnet3 model",
    ("pocketsphinx", "letters"): "needs a model of phones",
    ("sherpa", "letters"): "its features differ from those of DeepSpeech's network",
    ("vosk", "letters"): "needs a Kaldi nnet3 model",
    ("pocketsphinx", "onnx"): "needs a model of phones",
    ("deepspeech", "onnx"): "needs a run of `trainer stt`",
    ("vosk", "onnx"): "needs a Kaldi nnet3 model",
    ("pocketsphinx", "kaldi"): "has an acoustic model of its own",
    ("deepspeech", "kaldi"): "needs a run of `trainer stt`",
    ("sherpa", "kaldi"): "needs a CTC model in ONNX",
}


@dataclass(frozen=True)
class Model:
    """What a report and a card are about."""

    settings: SpeechEngineSettings
    figures: dict[str, Any]
    engine: Path
    gathered: Path
    corpus: Path
    lexicon: Path
    acoustics: Acoustics

    @property
    def languages(self) -> list[str]:
        """Names of the programming languages."""
        return list(recognizers.record(self.engine)["languages"])


def rate_rows(model: Model) -> Rows:
    """RATE_COLUMNS of all sets, recognisers and families."""
    rows: Rows = []
    for name, kinds in model.figures["sets"].items():
        for kind, found in kinds.items():
            families = {"all": found, **found["families"]}
            for family, one in families.items():
                low, high = one["wer_interval"]
                rates = [percent(one["wer"]), f"{100 * low:.1f} to {100 * high:.1f}"]
                recall = [f"{one[f'recall@{rank}']:.2f}" for rank in RANKS]
                rows.append([name, kind, family, str(one["clips"]), *rates, *recall])
    return rows


def runtime_rows(model: Model) -> Rows:
    """Which runtimes load the folder, and why the others do not."""
    rows = []
    for name, how in RUNTIMES.items():
        there = (model.engine / name).is_dir()
        why = WHY_NOT.get((name, model.acoustics.kind), "")
        measured = model.figures.get("runtimes", {}).get(name)
        rate = ""
        if measured and measured["wer"] is not None:
            rate = f"; WER {percent(measured['wer'])} on {measured['clips']} clips in its library"
        rows.append([f"{name}/", f"{how}{rate}" if there else f"not there: {why}"])
    return rows


def text_rows(model: Model) -> Rows:
    """Commands and words of the splits, and the language models."""
    counts = json.loads((model.corpus / COUNTS).read_text(encoding="utf-8"))
    rows = [
        [f"corpus, {split}", f"{n['commands']} commands, {n['words']} words"]
        for split, n in counts.items()
    ]
    for name, found in model.figures["language_models"].items():
        label = "searched with" if name == ngrams.SEARCH else "ranked again with"
        rows.append([
            f"perplexity, {label}",
            f"{found['perplexity']:.1f} on {found['commands']} held-out commands; "
            f"{percent(found['out_of_vocabulary'])} of their words are not in the lexicon",
        ])  # fmt: skip
    return rows


def page(model: Model) -> Page:
    """report.html."""
    figures = model.figures
    found = Page(
        f"Speech engine: {', '.join(model.languages)}",
        f"{model.acoustics.kind} · {recognizers.record(model.engine)['words']} words",
        _cards(figures),
        [],
        [
            Table("Recognition", RATE_COLUMNS, rate_rows(model)),
            Table("Runtimes", [], runtime_rows(model)),
            Table("Text", [], text_rows(model)),
            Table(
                "Commands that sound most alike",
                ["command", "command", "distance a phone"],
                [[a, b, f"{d:.2f}"] for a, b, d in figures.get("alike", [])],
            ),
            Table(
                "Words that the decoder confuses most",
                ["reference", "hypothesis", "times"],
                [[a, b, str(n)] for a, b, n in figures.get("confusions", [])],
            ),
            Table("Words that are not in the lexicon", ["word", "times"], _unknown(model)),
            Table("Sizes", [], size_rows(model)),
            Table("Doubtful pronunciations", ["word", "pronunciation", "count"], _doubtful(model)),
            Table("Sources", SOURCE_COLUMNS, source_rows(model.gathered)),
            Table("Rejected files", ["reason", "files", "such as"], rejected_rows(model.gathered)),
            Table("Settings", [], setting_rows(model)),
        ],
    )
    if why := figures.get("why_none"):
        found.notes.append(f"Not measured: {why}")
    found.notes.append(
        "Synthesized commands are of files that the corpus does not have; people are harder to "
        "recognise: give recordings with TEST_FILES."
    )
    return found


def _cards(figures: dict[str, Any]) -> list[Card]:
    cards = []
    for name, kinds in figures["sets"].items():
        domain = kinds["domain"]
        label = f"word error rate, {name} commands"
        if "general" in kinds:
            label += f" ({percent(kinds['general']['wer'])} without this engine's language model)"
        cards.append(Card(percent(domain["wer"]), label))
        cards.append(Card(f"{domain['recall@5']:.2f}", f"recall among five alternatives, {name}"))
    if hints := figures.get("hints"):
        cards.append(
            Card(
                percent(hints["found"]),
                f"of unknown words found with hints ({percent(hints['found_without'])} without); "
                f"wrongly in {percent(hints['wrong'])} of other commands",
            )
        )
    return cards


def _unknown(model: Model) -> Rows:
    found = model.figures["language_models"][ngrams.SEARCH]["unknown"]
    return [[word, str(count)] for word, count in found]


def size_rows(model: Model) -> Rows:
    """Megabytes of the graph, the language models and what runtimes load."""
    files = [p for p in sorted(model.engine.rglob("*")) if p.is_file()]
    large = [(p, p.stat().st_size / 1e6) for p in files if p.stat().st_size > SMALLEST_SHOWN]
    return [[str(p.relative_to(model.engine)), f"{size:.1f} MB"] for p, size in large]


def _doubtful(model: Model) -> Rows:
    with (model.lexicon / "review.csv").open(newline="", encoding="ascii") as file:
        rows = list(csv.DictReader(file))
    return [[r["word"], r["pronunciation"], r["count"]] for r in rows[:30]]


def setting_rows(model: Model) -> Rows:
    """Settings that shape the engine."""
    s = model.settings
    hidden = {"workers", "redo", "data_dir", "download", "export_zip", "lm_memory"}
    names = [name for name in s.names() if name not in hidden]
    return [[n.upper(), str(getattr(s, n))] for n in names if getattr(s, n) not in (None, "")]


def write_card(model: Model, out: Path) -> None:
    """README.md: what the folder is, how to use it, sources with licences, figures, hashes."""
    licences = Counter(row[2] for row in source_rows(model.gathered))
    lines = [
        f"# Speech engine: {', '.join(model.languages)}",
        "",
        "Spoken commands for these programming languages, made by Voicekiln.",
        "",
        "    trainer speech-engine transcribe --engine <this folder> --hints names.txt *.wav",
        "",
        "## Runtimes",
        "",
        *(f"- `{name}` {how}" for name, how in runtime_rows(model)),
        "",
        "## Licences",
        "",
        f"- acoustic model: {model.acoustics.licence}",
        f"- sources: {', '.join(f'{name} ({n})' for name, n in sorted(licences.items()))}",
        "",
        *_section("Recognition", RATE_COLUMNS, rate_rows(model)),
        *_section("Text", ["", ""], text_rows(model)),
        *_section("Sources", SOURCE_COLUMNS, source_rows(model.gathered)),
        "## Settings",
        "",
        *(f"- {name}: {value}" for name, value in setting_rows(model)),
        "",
        "## Files (sha256)",
        "",
        *(f"- {path}: {digest}" for path, digest in engine.hashes(model.engine)),
    ]
    text = "\n".join(lines) + "\n"
    (out / "README.md").write_text(text, encoding="utf-8", errors="backslashreplace")


def _section(title: str, head: Sequence[str], rows: Rows) -> list[str]:
    if not rows:
        return []
    table = [head, ["---"] * len(head), *rows]
    return [f"## {title}", "", *(f"| {' | '.join(row)} |" for row in table), ""]
