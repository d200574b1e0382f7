"""`make peers`: our models and released ones of others on the same recordings, as a page of tables.

`--positives` has a folder for each phrase, `--models` those of `train_wake_word` (data/output). The
page (RESULTS.md) and its plots are written into `--out`; what stands below `NOTES` there is kept.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import resources
from pathlib import Path

import click

from bench.peers import openwakeword
from bench.peers.hard import Hard, hard_cases
from trainer.log import start_log
from trainer.machine import cores, machine
from trainer.options import FOLDER
from trainer.wakeword import plots
from trainer.wakeword.evaluation import Detector, Evaluation, Streamed, load, measure
from trainer.workers import Workers

NOTES = "<!-- Written by hand from here. -->"
HEAD = (
    "model | recall at its cutoff (95 %) | false accepts/h there (95 %) | recall at ≤ 0.5/h | "
    "latency | babble 10/5/0 dB | beginnings | confusables | kB"
).split(" | ")


@dataclass(frozen=True)
class Peer:
    """A model to measure: how it is opened, and its operating point."""

    name: str
    opened: Callable[[], Detector]
    blank: Evaluation
    size: int


def ours(folders: tuple[Path, ...], phrase: str) -> list[Peer]:
    """Trained models of a phrase, told apart by how they were trained."""
    found = []
    for path in sorted(p for folder in folders for p in folder.rglob(f"{phrase}.tflite")):
        name = _described(path.with_name("experiment.json"))
        found.append(_streamed(f"ours, {name}", path))
    return found


def _described(record: Path) -> str:
    if not record.exists():
        return record.parent.name
    found = json.loads(record.read_text(encoding="utf-8"))
    settings = {name: one["value"] for name, one in found["settings"].items()}
    own = found["recordings"].get("personal", {})
    return ", ".join(
        [
            "quick" if settings["quick"] else "full",
            f"{own['files']} recordings" if own else "synthetic alone",
            f"seed {settings['seed']}",
        ]
    )


def _streamed(name: str, path: Path) -> Peer:
    return Peer(name, partial(Streamed, str(path)), load(path), path.stat().st_size)


def micro_wake_word(phrase: str) -> list[Peer]:
    """The released model in pymicro-wakeword's wheel, if there is one."""
    path = Path(str(resources.files("pymicro_wakeword") / "models" / f"{phrase}.tflite"))
    return [_streamed("microWakeWord, released", path)] if path.exists() else []


def open_wake_word(folder: Path, phrase: str) -> list[Peer]:
    """The released model of openWakeWord 0.5.1, if there is one."""
    head = f"{phrase}_v0.1.onnx"
    if not (folder / head).exists():
        return []
    opened = partial(openwakeword.OpenWakeWord, str(folder), head)
    blank = Evaluation(openwakeword.CUTOFF, 1, openwakeword.STRIDE)
    return [Peer("openWakeWord 0.5.1, released", opened, blank, opened().size)]


def row_of(peer: Peer, hard: Hard) -> list[str]:
    """The table's row of a measured model."""
    figures = peer.blank.figures()
    low, high = figures["recall_interval"]
    rate_low, rate_high = figures["false_accepts_per_hour_interval"]
    (limit,) = (r for r in figures["at_limits"] if r["false_accepts_per_hour"] == 0.5)
    latency = figures.get("latency_seconds", {}).get("median")
    return [
        peer.name,
        f"{figures['recall']:.3f} ({low:.2f} to {high:.2f})",
        f"{figures['false_accepts_per_hour']:.1f} ({rate_low:.1f} to {rate_high:.1f})",
        f"{limit['recall']:.3f}",
        "-" if latency is None else f"{latency:+.2f} s",
        " / ".join(f"{share:.2f}" for share in hard.babble),
        f"{100 * hard.beginnings:.0f} %",
        f"{100 * hard.confusables:.0f} %",
        f"{peer.size / 1000:.0f}",
    ]


@click.command()
@click.option("--positives", type=FOLDER, required=True, help="A folder for each phrase.")
@click.option("--ambient", type=FOLDER, required=True, help="Audio without the phrases.")
@click.option("--models", type=FOLDER, multiple=True, help="Folders with trained models.")
@click.option("--language", default="en", show_default=True, help="Of the confusable phrases.")
@click.option("--cache", type=FOLDER, default=Path("/tmp/voicekiln-peers"), show_default=True)  # noqa: S108
@click.option("--out", type=FOLDER, default=Path("recipes/wakeword"), show_default=True)
@click.argument("phrases", nargs=-1, required=True)
def main(
    positives: Path,
    ambient: Path,
    models: tuple[Path, ...],
    language: str,
    cache: Path,
    out: Path,
    phrases: tuple[str, ...],
) -> None:
    """Compare models of PHRASES (file names, such as alexa or hey_jarvis)."""
    start_log()
    released = openwakeword.fetch(cache)
    lines = []
    with Workers(cores()) as workers:
        for phrase in phrases:
            peers = [
                *ours(models, phrase),
                *micro_wake_word(phrase),
                *open_wake_word(released, phrase),
            ]
            rows, curves, points = [], {}, []
            for peer in peers:
                measure(peer.blank, peer.opened, positives / phrase, ambient, workers)
                cases = hard_cases(
                    peer.opened, peer.blank, positives / phrase, ambient, phrase, language, workers
                )
                rows.append(row_of(peer, cases))
                det = peer.blank.curve()
                curves[peer.name] = det.recall, det.false_accepts_per_hour
                at = peer.blank.figures()
                points.append((at["recall"], at["false_accepts_per_hour"]))
                click.echo(f"{phrase}: " + " | ".join(rows[-1]))
            if peers:
                (out / f"det-{phrase}.svg").write_text(plots.det(curves, points) + "\n")
                clips, hours = len(peers[0].blank.positives), peers[0].blank.hours
                lines += section(phrase, clips, hours, rows)
    write(out / "RESULTS.md", lines)


def section(phrase: str, clips: int, hours: float, rows: list[list[str]]) -> list[str]:
    """One phrase: its table and plot."""
    title = phrase.replace("_", " ")
    return [
        f"## {title}",
        "",
        f"{clips} recordings, {hours:.2f} h of other audio.",
        "",
        *(f"| {' | '.join(cells)} |" for cells in [HEAD, ["---"] * len(HEAD), *rows]),
        "",
        f"![Missed phrases against false accepts an hour: {title}](det-{phrase}.svg)",
        "",
    ]


def write(path: Path, lines: list[str]) -> None:
    """The page; notes that were written by hand stay."""
    old = path.read_text(encoding="utf-8") if path.exists() else ""
    notes = old.partition(NOTES)[2] or "\n"
    text = [
        "# Wake words: results",
        "",
        "Written by `make peers`: our models and released ones of others on the same recordings,",
        "streamed as on a device. Latency is the median from the end of the phrase. Babble: the",
        "recall at the model's cutoff with six other voices at this distance in level.",
        "Beginnings: the first half of the same recordings; confusables: 200 similar phrases by",
        "espeak-ng. Both should not wake it.",
        "",
        f"Machine: {machine().cores} cores, {machine().cpu}.",
        "",
        *lines,
        NOTES,
    ]
    path.write_text("\n".join(text) + notes, encoding="utf-8")


if __name__ == "__main__":
    main()
