"""A report as data (cards, plots, tables), rendered as one self-contained HTML file."""

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import matplotlib
from jinja2 import Environment, select_autoescape
from markupsafe import Markup

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

INK, BLUE, RED, GREY = "#1f2933", "#1f6feb", "#d1495b", "#9aa5b1"
TEMPLATE = Path(__file__).with_name("page.html")


@dataclass(frozen=True)
class Card:
    """One figure and what it means."""

    value: str
    label: str


@dataclass(frozen=True)
class Plot:
    """A drawing (SVG text) and its caption."""

    svg: str
    caption: str


@dataclass(frozen=True)
class Table:
    """A named table; `head` may be empty."""

    name: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Sound:
    """A clip (Ogg, base64) and what belongs to it: (name, text)."""

    ogg: str
    texts: Sequence[tuple[str, str]]


@dataclass
class Page:
    """What a product reports; empty tables are left out."""

    title: str
    subtitle: str
    cards: list[Card] = field(default_factory=list)
    plots: list[Plot] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    sounds: list[Sound] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def plot(self, drawing: str, caption: str) -> None:
        """Add a plot."""
        self.plots.append(Plot(drawing, caption))


def write(page: Page, path: Path) -> None:
    """Render the page: no scripts, no addresses, plots as inline SVG."""
    template = Environment(autoescape=select_autoescape(default=True)).from_string(
        TEMPLATE.read_text(encoding="utf-8")
    )
    text = template.render(
        page=page,
        plots=[(Markup(plot.svg), plot.caption) for plot in page.plots],  # noqa: S704  (our own)
        tables=[table for table in page.tables if table.rows],
    )
    path.write_text(text + "\n", encoding="utf-8", errors="backslashreplace")


def axes(x: str, y: str) -> tuple[Figure, Any]:
    """A figure in the style of all plots, and its Matplotlib axes."""
    figure, found = plt.subplots(figsize=(6, 3.6), layout="constrained")
    found.set_xlabel(x)
    found.set_ylabel(y)
    found.grid(color="#e4e7eb")
    found.spines[["top", "right"]].set_visible(False)
    return figure, found


def legend(plot: Any) -> None:
    """Names of lines above the axes, where they cover none."""
    _, names = plot.get_legend_handles_labels()
    place = {"loc": "lower left", "bbox_to_anchor": (0, 1.0), "borderaxespad": 0.2}
    plot.legend(frameon=False, ncol=min(max(len(names), 1), 3), **place)


def svg(figure: Figure) -> str:
    """The figure as SVG text, the same bytes each time."""
    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": "voicekiln"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    plt.close(figure)
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def percent(share: float) -> str:
    """0.934 -> 93.4 %."""
    return f"{100 * share:.1f} %"
