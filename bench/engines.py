"""Speed of speech engines: corpus, graph, decoding. In the train image, alone on the machine:

    python -m bench.engines --engine data/output/<time>-... --sources /usr/lib/python3.11

`--engine`: a PocketSphinx engine with its work folder still there.
"""

import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np

from trainer.audio.io import SAMPLE_RATE_HZ
from trainer.speech_engine import graph, hints, lexicon, recognizers, spoken
from trainer.speech_engine.acoustics import along, pocketsphinx
from trainer.speech_engine.engine import LEXICON
from trainer.spoken_code import corpus, files, languages, sources
from trainer.spoken_code.readers import reader

COMMANDS = 24
PART = 960  # bytes: 30 ms
LETTERS = [*"abcdefghijklmnopqrstuvwxyz'", " "]
NAMES = "kubelet zookeeper tokio gunicorn numpyro".split()


def commands_a_second(place: Path) -> tuple[float, int]:
    """(spoken commands a second of processor time, how many) of the Python files of a place."""
    python = languages.table()["python"]
    listed = sources.listing(place, [python], "any").files
    count, start = 0, time.process_time()
    for name, content in reader(place).read(name for name, _, _ in listed):
        found = files.usable(content, "bench", name, "python", "any")
        if isinstance(found, files.SourceText):
            count += sum(1 for _ in corpus.lines(found.text, found.identity, python, 0, 1))
    return count / (time.process_time() - start), count


def graph_of(words: list[str], arpa: Path) -> tuple[float, float, float]:
    """(seconds, GB of memory, MB of the file) of a graph of letters."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.monotonic()
        graph.write(words, arpa, LETTERS, Path(folder))
        seconds = time.monotonic() - start
        size = (Path(folder) / graph.GRAPH).stat().st_size / 1e6
    return seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, size


def clips(engine: Path) -> list[np.ndarray]:
    """Synthesized commands of the engine's evaluation."""
    import json

    listed = json.loads((engine / "clips.json").read_text())["clips"]
    program, voice = spoken.voices()[0]
    texts = [one["reference"] for one in listed[:COMMANDS]]
    return [(spoken.speak(program, voice, text) * 32767).astype(np.int16) for text in texts]


def parts(samples: np.ndarray, marks: list[float]) -> Iterator[bytes]:
    """The samples in parts; `marks` gets the time when the last one was taken."""
    data = samples.astype("<i2").tobytes()
    for at in range(0, len(data), PART):
        yield data[at : at + PART]
    marks.append(time.perf_counter())


@click.command()
@click.option("--engine", type=click.Path(path_type=Path, exists=True), required=True)
@click.option("--sources", "place", type=click.Path(path_type=Path, exists=True), required=True)
def main(engine: Path, place: Path) -> None:
    """Print one line a measurement."""
    rate, count = commands_a_second(place)
    click.echo(f"corpus: {rate:,.0f} commands a second and core ({count:,} of them)")
    recognizer = recognizers.load(engine)
    said = clips(engine)
    seconds = sum(map(len, said)) / SAMPLE_RATE_HZ
    for count in (1, 10):
        start = time.process_time()
        for one in said:
            recognizer.alternatives(one, count)
        spent = time.process_time() - start
        click.echo(f"decoding, {count} alternatives: {spent / seconds:.3f} x real time on one core")
    ends, marks = [], []
    for one in said:
        along(recognizer, parts(one, marks), 1)
        ends.append(time.perf_counter() - marks[-1])
    click.echo(
        f"first result after the end of speech: {1000 * np.median(ends):.0f} ms median, "
        f"{1000 * max(ends):.0f} ms at most"
    )
    hints.pronounced(engine, NAMES[:1])  # word lists are loaded once
    spent = []
    for names in ([], NAMES):
        start = time.perf_counter()
        recognizers.load(engine, hints.pronounced(engine, names))
        spent.append(time.perf_counter() - start)
    click.echo(f"loading: {spent[0]:.2f} s; with {len(NAMES)} hints: {spent[1]:.2f} s")
    words = sorted(lexicon.read(engine / LEXICON))
    arpa = engine / pocketsphinx.FOLDER / pocketsphinx.MODEL
    seconds, memory, size = graph_of(words, arpa)
    click.echo(f"graph of {len(words):,} words: {seconds:.0f} s, {memory:.1f} GB, {size:.0f} MB")


if __name__ == "__main__":
    main()
