"""The report page of a speech-to-text model, as data."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainer import rejected
from trainer.page import BLUE, GREY, RED, Card, Page, Plot, Table, axes, legend, svg
from trainer.stt.evaluation import Figures
from trainer.stt.language_model import COUNTS
from trainer.stt.material import Material, Sets, all_rejected
from trainer.stt.preparation import Mels
from trainer.stt.settings import SpeechSettings

TEXT_COLUMNS = ["text", "sentences", "refused by the rules", "left out: in dev or test"]
RATE_COLUMNS = ["set", "decoded by", "clips", "WER", "95 %", "CER"]
DATA_COLUMNS = ["set", "corpus", "clips", "hours", "licence", "source"]
Rows = list[list[str]]


@dataclass(frozen=True)
class Model:
    """What a report and a model card are about: settings, data and the folders of the stages."""

    settings: SpeechSettings
    shown: dict[str, Any]  # settings to show
    material: Material
    sets: Sets
    figures: Figures
    trained: Path
    scorer: Path | None
    exported: Path
    text: Path | None  # of the language model

    @property
    def language(self) -> str:
        """Code of the language, or empty."""
        return self.settings.export_language or self.settings.model_language

    @property
    def name(self) -> str:
        """<author>_<model>_<version>, with the language."""
        s = self.settings
        model = s.export_model_name
        if self.language and self.language not in model:
            model = f"{model}-{self.language}"
        return f"{s.export_author_id}_{model}_{s.export_model_version}".replace("/", "-")


def rate_rows(figures: Figures) -> Rows:
    """RATE_COLUMNS of every test."""
    return [
        [
            label,
            decoder,
            str(found["clips"]),
            f"{100 * found['wer']:.1f} %",
            f"{100 * found['wer_interval'][0]:.1f} to {100 * found['wer_interval'][1]:.1f}",
            f"{100 * found['cer']:.1f} %",
        ]
        for label, by_decoder in figures.items()
        for decoder, found in by_decoder.items()
    ]


def data_rows(model: Model) -> Rows:
    """DATA_COLUMNS of every set."""
    rows: Rows = []
    titles = model.material.titles(model.sets)
    for use, by_name in model.sets.items():
        for name, folder in by_name.items():
            mels = Mels(folder)
            title, licence, source = titles[name]
            hours = f"{mels.hours(model.settings.feature_win_step):.2f}"
            rows.append([use, title, str(len(mels)), hours, licence, source])
    return rows


def text_rows(model: Model) -> Rows:
    """TEXT_COLUMNS of every text of the language model."""
    if model.text is None:
        return []
    counts = json.loads((model.text / COUNTS).read_text(encoding="utf-8"))
    return [[name, *map(str, found.values())] for name, found in counts.items()]


def setting_rows(model: Model) -> Rows:
    """Name and value of the settings."""
    return [[name.upper(), str(value)] for name, value in model.shown.items()]


def write_rejected(model: Model, out: Path) -> None:
    """rejected.csv of all sets."""
    rejected.write(out / rejected.FILE, all_rejected(model.material, model.sets))


def page(model: Model) -> Page:
    """report.html."""
    found = Page(
        f"Speech to text: {model.name}",
        f"{model.language} · for DeepSpeech 0.9.3 and Coqui STT 1.4",
        _cards(model),
        _plots(model.trained / "metrics.jsonl"),
        [
            Table("Error rates", RATE_COLUMNS, rate_rows(model.figures)),
            _edit_table(model.figures),
            Table("Data", DATA_COLUMNS, data_rows(model)),
            Table("Text of the language model", TEXT_COLUMNS, text_rows(model)),
            _rejected_table(model),
            _clip_table(model.figures),
            Table("Settings", [], setting_rows(model)),
        ],
    )
    found.notes += [f"{m.name} was missing: {m.advice}" for m in model.material.missing]
    return found


def _cards(model: Model) -> list[Card]:
    first = next(iter(model.figures.values()))
    headline = first.get("with scorer", first["without scorer"])
    hours = sum(float(row[3]) for row in data_rows(model) if row[0] == "train")
    return [
        Card(f"{100 * headline['wer']:.1f} %", "word error rate"),
        Card(f"{100 * headline['cer']:.1f} %", "character error rate"),
        Card(str(model.settings.n_hidden), "hidden units"),
        Card(f"{hours:.2f} h", "of training data"),
    ]


def _plots(metrics: Path) -> list[Plot]:
    lines = metrics.read_text().splitlines() if metrics.exists() else []
    if len(lines) < 2:
        return []
    caption = "Training loss, dev loss and dev word error rate (greedy decoding)"
    return [Plot(_error_plot([json.loads(line) for line in lines]), caption)]


def _edit_table(figures: Figures) -> Table:
    kinds = ("insertions", "deletions", "substitutions")
    rows = [
        [
            label,
            decoder,
            *(str(found[kind]) for kind in kinds),
            f"{100 * found['agreement']:.1f} %" if "agreement" in found else "",
        ]
        for label, by_decoder in figures.items()
        for decoder, found in by_decoder.items()
    ]
    head = ["set", "decoded by", *kinds, "same text as our decoder"]
    return Table("Word errors", head, rows)


def _rejected_table(model: Model) -> Table:
    kinds = rejected.by_kind(all_rejected(model.material, model.sets))
    rows = [[kind, str(len(some))] for kind, some in kinds.items()]
    return Table("Rejected clips", ["reason", "clips"], rows)


def _clip_table(figures: Figures) -> Table:
    rows = [
        [label, kind, row["reference"], row["hypothesis"]]
        for label, by_decoder in figures.items()
        for kind in ("best", "median", "worst")
        for row in by_decoder.get("with scorer", by_decoder["without scorer"])[kind]
    ]
    return Table("Clips", ["set", "", "reference", "hypothesis"], rows)


def _error_plot(metrics: Sequence[dict[str, float]]) -> str:
    """Losses and the word error rate along the steps. SVG."""
    figure, plot = axes("Training step", "Loss")
    steps = [m["step"] for m in metrics]
    loss, dev_loss = ([m[name] for m in metrics] for name in ("loss", "dev_loss"))
    plot.plot(steps, loss, color=GREY, linewidth=2, label="training loss")
    plot.plot(steps, dev_loss, color=RED, linewidth=2, label="dev loss")
    plot.set_yscale("log")
    right = plot.twinx()
    right.plot(steps, [100 * m["wer"] for m in metrics], color=BLUE, linewidth=2)
    right.set_ylim(0, 105)
    right.set_ylabel("Word error rate (%)", color=BLUE)
    legend(plot)
    return svg(figure)
