"""One self-contained HTML page about a finished model or an evaluation: figures as inline SVG, no scripts."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from jinja2 import Environment, select_autoescape
from markupsafe import Markup

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

INK, BLUE, RED, GREY = "#1f2933", "#1f6feb", "#d1495b", "#9aa5b1"

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{{ title }}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
body{font:16px/1.5 system-ui,"DejaVu Sans",sans-serif;color:#1f2933;margin:0;background:#f5f7fa}
main{max-width:980px;margin:0 auto;padding:24px}
h1{margin:.2em 0}h2{margin:1.6em 0 .4em;font-size:1.2em}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(200px,1fr));gap:12px;margin:16px 0}
.card{background:#fff;border:1px solid #e4e7eb;border-radius:8px;padding:12px 16px}
.card b{display:block;font-size:1.6em}.card span{color:#616e7c;font-size:.85em}
.plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(420px,1fr));gap:12px}
.plots figure{background:#fff;border:1px solid #e4e7eb;border-radius:8px;margin:0;padding:8px}
svg{width:100%;height:auto}figcaption{font-size:.85em;color:#616e7c;padding:0 8px 4px}
table{border-collapse:collapse;background:#fff;width:100%;font-size:.9em}
td,th{border:1px solid #e4e7eb;padding:4px 10px;text-align:left;vertical-align:top}th{background:#eef1f5}
.note{background:#fff8e6;border:1px solid #f0d58c;border-radius:8px;padding:10px 16px}
</style></head><body><main>
<h1>{{ title }}</h1><p>{{ subtitle }}</p>
<div class="cards">{% for value, label in cards %}<div class="card"><b>{{ value }}</b><span>{{ label }}</span></div>{% endfor %}</div>
{% for note in notes %}<p class="note">{{ note }}</p>{% endfor %}
<div class="plots">{% for svg, caption in plots %}<figure>{{ svg }}<figcaption>{{ caption }}</figcaption></figure>{% endfor %}</div>
{% for name, head, rows in tables %}<h2>{{ name }}</h2><table>{% if head %}<tr>{% for h in head %}<th>{{ h }}</th>{% endfor %}</tr>{% endif %}
{% for row in rows %}<tr>{% for cell in row %}<td>{{ cell }}</td>{% endfor %}</tr>{% endfor %}</table>{% endfor %}
</main></body></html>
"""


def write(
    path: Path, title: str, subtitle: str, cards: list[tuple[str, str]], plots: list[tuple[str, str]],
    tables: list[tuple[str, list[str], list[list[str]]]], notes: list[str],
) -> None:
    """Render the page. `plots`: (svg, caption); `tables`: (name, head, rows)."""
    page = Environment(autoescape=select_autoescape(default=True)).from_string(_PAGE)
    text = page.render(title=title, subtitle=subtitle, cards=cards, notes=notes, tables=tables,
                       plots=[(Markup(svg), caption) for svg, caption in plots])  # noqa: S704  (our own drawings)
    path.write_text(text + "\n", encoding="utf-8")


def det_plot(recall: np.ndarray, false_accepts_per_hour: np.ndarray, at: tuple[float, float] | None, name: str) -> str:
    """Missed phrases against false accepts per hour, the chosen cutoff marked. SVG."""
    figure, axes = _axes("False accepts per hour", "Missed phrases (%)")
    # from the highest cutoff down: recall and false accepts only grow
    false, missed = np.maximum.accumulate(false_accepts_per_hour[::-1]), 100 * (1 - recall[::-1])
    axes.plot(false, missed, color=BLUE, linewidth=2, drawstyle="steps-post", label=name)
    if at is not None:
        axes.plot(at[1], 100 * (1 - at[0]), "o", color=RED, markersize=9, label="the manifest's cutoff", clip_on=False, zorder=5)
    axes.axvline(0.5, color=GREY, linestyle=":", linewidth=1)
    axes.set_xscale("symlog", linthresh=0.5)
    axes.set_xlim(0, 50)
    axes.set_ylim(0, min(100.0, max(10.0, 110 * (1 - float(recall[false_accepts_per_hour <= 50].min(initial=1.0))))))
    axes.set_xticks([0, 0.5, 1, 2, 5, 10, 20, 50], ["0", "0.5", "1", "2", "5", "10", "20", "50"])
    axes.legend(frameon=False)
    return _svg(figure)


def cutoff_plot(cutoffs: np.ndarray, recall: np.ndarray, false_accepts_per_hour: np.ndarray, cutoff: float) -> str:
    """Recall and false accepts per hour against the cutoff. SVG."""
    figure, axes = _axes("Cutoff", "Recall (%)")
    axes.plot(cutoffs, 100 * recall, color=BLUE, linewidth=2)
    axes.set_ylim(0, 102)
    right = axes.twinx()
    right.plot(cutoffs, false_accepts_per_hour, color=RED, linewidth=2)
    right.set_yscale("symlog", linthresh=0.5)
    right.set_ylim(bottom=0)
    right.set_ylabel("False accepts per hour", color=RED)
    axes.axvline(cutoff, color=GREY, linestyle="--", linewidth=1)
    return _svg(figure)


def peaks_plot(positives: np.ndarray, negatives: np.ndarray, cutoff: float) -> str:
    """Highest sliding mean of each phrase clip and of each stretch of other audio. SVG."""
    figure, axes = _axes("Highest sliding mean", "Share of clips (%)")
    bins = np.linspace(0, 1, 41)
    for values, color, name in ((negatives, RED, "other audio"), (positives, BLUE, "the phrase")):
        if len(values):
            axes.hist(values, bins, weights=np.full(len(values), 100 / len(values)), color=color, alpha=0.6, label=name)
    axes.axvline(cutoff, color=INK, linestyle="--", linewidth=1, label="cutoff")
    axes.legend(frameon=False)
    return _svg(figure)


def error_plot(metrics: list[dict[str, float]]) -> str:
    """Losses and the word error rate along the steps. SVG."""
    figure, axes = _axes("Training step", "Loss")
    steps = [m["step"] for m in metrics]
    axes.plot(steps, [m["loss"] for m in metrics], color=GREY, linewidth=2, label="training loss")
    axes.plot(steps, [m["dev_loss"] for m in metrics], color=RED, linewidth=2, label="dev loss")
    axes.set_yscale("log")
    right = axes.twinx()
    right.plot(steps, [100 * m["wer"] for m in metrics], color=BLUE, linewidth=2)
    right.set_ylim(0, 105)
    right.set_ylabel("Word error rate (%)", color=BLUE)
    axes.legend(frameon=False)
    return _svg(figure)


def training_plot(metrics: list[dict[str, float]]) -> str:
    """Loss and held-out score along the steps. SVG."""
    figure, axes = _axes("Training step", "Loss")
    axes.plot([m["step"] for m in metrics], [m["loss"] for m in metrics], color=GREY, linewidth=2)
    axes.set_yscale("log")
    scored = [m for m in metrics if "score" in m]
    right = axes.twinx()
    right.plot([m["step"] for m in scored], [100 * m["score"] for m in scored], color=BLUE, linewidth=2, marker="o", markersize=4)
    right.set_ylabel("Recall at the limits (%)", color=BLUE)
    return _svg(figure)


def _axes(x: str, y: str) -> tuple[Figure, Any]:
    figure, axes = plt.subplots(figsize=(6, 3.6), layout="constrained")
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(color="#e4e7eb")
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _svg(figure: Figure) -> str:
    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": "voicekiln"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    plt.close(figure)
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def percent(share: float) -> str:
    """0.934 -> 93.4 %."""
    return f"{100 * share:.1f} %"


def evaluation_tables(figures: dict[str, Any]) -> list[tuple[str, list[str], list[list[str]]]]:
    """Tables of an evaluation's figures, where it woke, what it missed, what was set aside."""
    tables: list[tuple[str, list[str], list[list[str]]]] = []
    if "at_limits" in figures:
        rows = [[f"{r['false_accepts_per_hour']:g}", f"{r['cutoff']:.3f}", percent(r["recall"])] for r in figures["at_limits"]]
        tables.append(("Recall at a limit of false accepts", ["at most, per hour", "cutoff", "recall"], rows))
    if figures.get("false_accepts_at"):
        rows = [[Path(p).name, f"{s:.1f} s"] for p, s in figures["false_accepts_at"][:50]]
        tables.append(("Where it woke without the phrase", ["file", "at"], rows))
    if figures.get("missed"):
        tables.append(("Phrases it missed", ["file"], [[Path(p).name] for p in figures["missed"][:50]]))
    if figures.get("set_aside"):
        tables.append(("Files set aside", ["file", "reason"], [[r["path"], r["reason"]] for r in figures["set_aside"][:100]]))
    return tables
