"""Speed of code engines: corpus, training, answers, server. In the train image, alone:

    python -m bench.code --engine data/output/<time>-code-engine-... --sources /usr/lib/python3.11

With --marian PYTHON, a Python that has `pymarian`, Marian itself trains on the same batches.
"""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.request import Request, urlopen

import click
import numpy as np

from trainer.code_engine.engine import Engine
from trainer.spoken_code import files, languages, pairs, sources
from trainer.spoken_code.readers import reader

IN, OUT, ANSWERS = 60, 20, 200
CLIENTS, REQUESTS = 8, 400
ROWS, STEPS = 128, 20
VOCABULARY = 5500
FOLDER = click.Path(path_type=Path, exists=True)


def pairs_a_second(place: Path) -> tuple[float, int]:
    """(pairs a second of processor time, how many) of the Python files of a place."""
    python = languages.table()["python"]
    listed = sources.listing(place, [python], "any").files
    count, start = 0, time.process_time()
    for name, content in reader(place).read(name for name, _, _ in listed):
        found = files.usable(content, "bench", name, "python", "any")
        if isinstance(found, files.SourceText):
            made = pairs.pairs(found.text, found.identity, python, 0, 1, pairs.AUTO_STYLE)
            count += sum(1 for _ in made)
    return count / (time.process_time() - start), count


def answers(engine: Engine, beam: int) -> tuple[float, float]:
    """(median, 99th percentile) of ms an answer of 20 tokens to 60, on one core."""
    rng, known = np.random.default_rng(1), engine.known.lexicon
    spent = []
    for _ in range(ANSWERS):
        source = ["CTX", *(str(w) for w in rng.choice(known, IN - 3)), "ENG", "x"]
        start = time.perf_counter()
        engine.translator.translate_batch(
            [source], beam_size=beam, num_hypotheses=beam, length_penalty=0,
            min_decoding_length=OUT, max_decoding_length=OUT,
        )  # fmt: skip
        spent.append(1000 * (time.perf_counter() - start))
    return float(np.median(spent)), float(np.percentile(spent, 99))


def served(folder: Path) -> tuple[float, float, int]:
    """(median, 99th percentile in ms, errors) of a server with eight clients."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "trainer", "code-engine", "serve", "--port", str(port)]
    process = subprocess.Popen([*command, "--engine", str(folder)], stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}/api"
    for _ in range(300):
        try:
            urlopen(f"{address}/status").read()
            break
        except OSError:
            time.sleep(0.1)
    source = "def area(width, height):\n    total = width * height\n\n"

    def ask(number: int) -> float:
        text = f"return total plus {('width', 'height')[number % 2]} dot value"
        body = json.dumps({"text": text, "source": source, "line": 3}).encode()
        start = time.perf_counter()
        try:
            json.loads(urlopen(Request(f"{address}/translate", body)).read())
        except OSError:
            return -1.0
        return 1000 * (time.perf_counter() - start)

    with ThreadPoolExecutor(CLIENTS) as pool:
        spent = list(pool.map(ask, range(REQUESTS)))
    process.terminate()
    process.wait()
    good = [one for one in spent if one >= 0]
    return float(np.median(good)), float(np.percentile(good, 99)), len(spent) - len(good)


def training(shape: tuple[int, int], layers: tuple[int, int]) -> float:
    """Target tokens a second of our training step, as the loop runs it."""
    from trainer.code_engine.learning import ADAM, cross_entropy
    from trainer.models import transformer
    from trainer.training.loop import Loop
    from trainer.training.optimizers import averaged_adamw

    model = transformer.build(transformer.Spec(VOCABULARY, *layers))
    x, y = (
        np.random.default_rng(1).integers(2, VOCABULARY, (ROWS, n)).astype(np.int32) for n in shape
    )
    x[:, -1] = y[:, -1] = 0
    spent: list[float] = []

    def batch(step: int) -> tuple[object, object]:
        spent.append(time.perf_counter())
        return (x, y), y

    with tempfile.TemporaryDirectory() as folder:
        Loop(
            model, batch, STEPS, STEPS, Path(folder), [], averaged_adamw(1e-4, STEPS, 0.0, **ADAM),
            cross_entropy(0.0), jit_compile=False, any_size=True,
        ).run()  # fmt: skip
    steps = np.diff(spent)[STEPS // 2 :]
    return ROWS * shape[1] / float(steps.mean())


MARIAN = """
import sys, time
from pymarian import Trainer
folder, enc, dec, steps = sys.argv[1:]
options = (
    f"--type transformer --train-sets {folder}/x.txt {folder}/y.txt --vocabs {folder}/v.yml "
    f"{folder}/v.yml --model {folder}/m.npz --dim-emb 96 --transformer-dim-ffn 512 "
    f"--transformer-heads 4 --enc-depth {enc} --dec-depth {dec} --transformer-dropout 0.1 "
    "--transformer-ffn-activation relu --transformer-postprocess dan --transformer-postprocess-emb "
    "d --tied-embeddings-all --optimizer-params 0.9 0.98 1e-9 --learn-rate 1e-4 --mini-batch 128 "
    f"--after-batches {steps} --disp-freq 5 --max-length 200 --maxi-batch-sort none --cpu-threads "
    "2 --seed 1 --overwrite --no-shuffle --disp-label-counts"
)
Trainer(options).train()
"""


def of_marian(python: Path, shape: tuple[int, int], layers: tuple[int, int]) -> str:
    """The last line in which Marian tells its speed, on the same batches."""
    rng = np.random.default_rng(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        names = ["</s>", "<unk>", *(f"t{i}" for i in range(VOCABULARY - 2))]
        text = "".join(f"{token}: {i}\n" for i, token in enumerate(names))
        (folder / "v.yml").write_text(text.replace("<unk>", '"<unk>"').replace("</s>", '"</s>"'))
        for part, length in zip("xy", shape, strict=True):
            rows = rng.integers(2, VOCABULARY, (ROWS * STEPS, length - 1))
            lines = (" ".join(names[i] for i in row) for row in rows)
            (folder / f"{part}.txt").write_text("\n".join(lines) + "\n")
        done = subprocess.run(
            [str(python), "-c", MARIAN, name, *map(str, layers), str(STEPS)],
            capture_output=True, text=True, check=False, env={**os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
    told = [line for line in done.stderr.splitlines() if "words/s" in line]
    return told[-1] if told else done.stderr[-500:]


@click.command()
@click.option("--engine", "folder", type=FOLDER, required=True, help="An auto-style engine.")
@click.option("--sources", "place", type=FOLDER, required=True)
@click.option("--marian", type=FOLDER, help="A Python that has pymarian.")
def main(folder: Path, place: Path, marian: Path | None) -> None:
    """Print one line a measurement."""
    rate, count = pairs_a_second(place)
    click.echo(f"corpus: {rate:,.0f} pairs a second and core ({count:,} of them)")
    engine = Engine(folder)
    for beam in (2, 5, 10):
        median, most = answers(engine, beam)
        click.echo(
            f"answers, {IN} tokens in, {OUT} out, int8, one core, beam {beam}: {median:.1f} ms "
            f"median, {most:.1f} ms at the 99th percentile"
        )
    median, most, errors = served(folder)
    click.echo(
        f"server, {CLIENTS} clients: {median:.0f} ms median, {most:.0f} ms at the 99th "
        f"percentile, {errors} errors of {REQUESTS}"
    )
    for layers in ((3, 3), (6, 1)):
        tokens = training((32, 16), layers)
        click.echo(f"training {layers[0]}+{layers[1]}: {tokens:,.0f} target tokens a second")
        if marian:
            click.echo(f"  Marian: {of_marian(marian, (32, 16), layers)}")


if __name__ == "__main__":
    main()
