"""The command line: parse, print, call. TensorFlow is imported inside commands only.

Every setting of trainer/settings.py becomes an option of `trainer wakeword train`; errors are one line and exit code 1.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import click

from trainer import __version__
from trainer.workers import start_log

log = logging.getLogger("trainer")


def _errors() -> tuple[type[BaseException], ...]:
    """What is reported in one line; imported when something went wrong."""
    from trainer.audio import AudioError
    from trainer.corpora import CorpusError
    from trainer.machine import MachineError
    from trainer.programs import ProgramError
    from trainer.readers import ReaderError
    from trainer.settings import SettingsError
    from trainer.steps import StepError
    from trainer.stt.checkpoints import CheckpointError
    from trainer.stt.client import ClientError
    from trainer.text import TextError
    from trainer.wakeword.engines import EngineError
    from trainer.wakeword.phrases import PhraseError
    from trainer.wakeword.recordings import RecordingsError
    from trainer.workers import WorkerError

    found: list[type[BaseException]] = [
        AudioError, CorpusError, MachineError, ProgramError, SettingsError, StepError, EngineError, PhraseError, RecordingsError,
        WorkerError, ReaderError, CheckpointError, ClientError, TextError, OSError, ValueError, MemoryError,
    ]
    if "trainer.export.tflite" in sys.modules:
        found.append(sys.modules["trainer.export.tflite"].ExportError)
    if "trainer.training" in sys.modules:
        found.append(sys.modules["trainer.training"].TrainingError)
    return tuple(found)


class Interrupted(BaseException):
    """SIGTERM outside of training: everything unwinds, finished work stays."""


def main() -> None:
    """Run the command line; errors end in one line, exit code 1 (2 for usage, 143 when stopped)."""

    def terminate(number: int, frame: FrameType | None) -> None:
        raise Interrupted

    signal.signal(signal.SIGTERM, terminate)
    try:
        cli.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (Interrupted, KeyboardInterrupt, click.Abort):
        log.error("stopped; what is finished is kept: run the same command to go on")
        sys.exit(143)
    except Exception as error:
        if type(error).__name__ == "Stopped":
            log.error("%s", error)
            sys.exit(143)
        if not isinstance(error, _errors()):
            raise
        if os.environ.get("VOICEKILN_TRACEBACK"):
            raise
        click.echo(f"ERROR: {_one_line(error)}", err=True)
        log.debug("traceback", exc_info=error)
        sys.exit(1)


def _one_line(error: BaseException) -> str:
    if isinstance(error, MemoryError):
        return "out of memory: give the container more, or set WORKERS=1 and a smaller TRAINING_BATCH_SIZE; then run the same command again"
    if isinstance(error, PermissionError):
        return f"{error.filename} cannot be written by uid {os.getuid()}; chown it, or run with --user"
    return " ".join(str(error).split()) or type(error).__name__


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def cli() -> None:
    """Train voice models that run in the clients you already have."""


@cli.command()
def check() -> None:
    """Test the major parts of this installation and say what was found."""
    from trainer.machine import check as run

    for line in run():
        click.echo(line)


@cli.command()
@click.option("--data-dir", type=click.Path(path_type=Path), default=Path("/data"), envvar="DATA_DIR")
def status(data_dir: Path) -> None:
    """List the steps under /data/work: phrase, state, size, age."""
    from trainer.steps import list_steps
    from trainer.workers import minutes

    total = 0
    for step in list_steps(data_dir / "work"):
        total += step["bytes"]
        age = minutes(time.time() - step["used"])
        click.echo(f"{step['name']:22} {step['label'] or '-':20} {step['state']:9} {step['bytes'] / 1e6:9.1f} MB  used {age} ago  {step['key']}")
    click.echo(f"{total / 1e6:.1f} MB in all; `trainer clean` frees it, finished models in {data_dir / 'output'} stay")


@cli.command()
@click.option("--data-dir", type=click.Path(path_type=Path), default=Path("/data"), envvar="DATA_DIR")
@click.option("--older-than-days", type=float, default=0.0, show_default=True, help="Only steps not used for so long.")
@click.option("--phrase", help="Only steps of this phrase.")
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
def clean(data_dir: Path, older_than_days: float, phrase: str | None, dry_run: bool) -> None:
    """Free disk: remove intermediate steps (they are made again when needed). Models in output/ stay."""
    from trainer.steps import list_steps

    freed = 0
    for step in list_steps(data_dir / "work"):
        if time.time() - step["used"] >= older_than_days * 86400 and (phrase is None or step["label"] == phrase):
            freed += step["bytes"]
            click.echo(f"{'would remove' if dry_run else 'removed'} {step['folder']}")
            if not dry_run:
                shutil.rmtree(step["folder"])
    click.echo(f"{freed / 1e6:.1f} MB {'would be ' if dry_run else ''}freed")


@cli.group()
def wakeword() -> None:
    """Wake words: a phrase -> a streaming int8 .tflite and its manifest."""


def _settings_options(kind: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """One option a setting, from its definition: name, type, bounds and explanation live in trainer/settings.py."""
    from trainer import settings

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for name, field in reversed(getattr(settings, kind).model_fields.items()):
            flag = "--" + name.replace("_", "-")
            told = f"{field.description} [default: {field.default}]" if field.default not in (None, "", False) else field.description
            if field.annotation is bool:
                option = click.option(f"{flag}/--no-{flag[2:]}", default=None, help=told)
            else:
                option = click.option(flag, default=None, help=told, metavar=name.split("_")[-1].upper())
            command = option(command)
        return command

    return decorate


@wakeword.command()
@_settings_options("WakeWordSettings")
@click.argument("wake_word")
@click.argument("title", required=False)
def train(wake_word: str, title: str | None, **flags: Any) -> None:
    """Train WAKE_WORD; TITLE is the name that clients show (default: the phrase, capitalised)."""
    start = time.monotonic()
    from trainer.settings import load
    from trainer.wakeword import phrases

    loaded = load({k: v for k, v in flags.items() if v is not None})
    settings = loaded.settings
    os.environ["KERAS_BACKEND"] = "tensorflow"  # of this process, which exports; what trains has its own
    phrase = phrases.clean(wake_word)
    title = " ".join((title or " ".join(w[:1].upper() + w[1:] for w in phrase.rstrip(".!?").split())).split())
    log_file = _start_log(settings.data_dir / "work" / "logs", phrases.slug(phrase))
    if settings.quick:
        log.info("--quick: %d samples, %g h of other speech, %d steps: a first look; expect more false accepts than from a full run",
                 settings.samples, settings.speech_hours, settings.training_steps)
    log.info("===== Training '%s' as %s =====", phrase, title)
    for line in loaded.lines():
        log.log(logging.INFO if not line.endswith(" default") else logging.DEBUG, "  %s", line)

    from trainer.machine import summary
    from trainer.programs import quiet
    from trainer.steps import Steps

    with quiet():
        import keras  # noqa: F401
    from trainer.wakeword.pipeline import train_wake_word

    redo = tuple(name.strip() for name in settings.redo.split(",") if name.strip())
    steps = Steps(settings.data_dir / "work", redo, phrase)
    result = train_wake_word(loaded, phrase, title, steps, log_file)
    total = time.monotonic() - start
    if result.made:
        spent = steps.seconds
        rows = [
            (f"Generate {settings.samples} samples, {settings.batch_size}/batch",
             sum(t for n, t in spent.items() if n.startswith(("speak", "make", "read")))),
            (f"Augment {settings.samples} samples", sum(t for n, t in spent.items() if n.startswith("features"))),
            (f"{settings.training_steps} training steps", spent.get("train", 0.0)),
            ("Export and proof", sum(spent.get(n, 0.0) for n in ("prove_export", "export", "finish"))),
        ]
        log.info("\n%s\n", summary(rows, total))
    else:
        log.info("Nothing to do: nothing changed since this model was made (%.0f s to check).", total)
    if settings.cleanup_work_dir:
        steps.clean()
    log.info("Name:     %s", title)
    log.info("Model:    %s", result.model)
    log.info("Metadata: %s", result.manifest)
    log.info("Report:   %s", result.folder / "report.html")
    if result.made:
        shutil.copyfile(log_file, result.folder / "training.log")  # to its last line


@wakeword.command()
@click.option("--samples", default=1, show_default=True, help="How many to make.")
@click.option("--language", default="en", show_default=True)
@click.option("--engine", default="auto", show_default=True)
@click.option("--data-dir", type=click.Path(path_type=Path), default=Path("/data"), envvar="DATA_DIR")
@click.argument("wake_word")
def sample(samples: int, language: str, engine: str, data_dir: Path, wake_word: str) -> None:
    """Make samples of WAKE_WORD to listen to, in /data/work/test_sample."""
    from trainer import audio
    from trainer.wakeword import phrases, synthesis
    from trainer.wakeword.engines import usable_engines

    phrase = phrases.clean(wake_word)
    phrases.spoken(phrase, language)
    _start_log(None, "")
    log.info("===== Generating %d sample%s of '%s' =====", samples, "" if samples == 1 else "s", phrase)
    folder = data_dir / "work" / "test_sample"
    folder.mkdir(parents=True, exist_ok=True)
    plan = synthesis.SpeechPlan("phrase", phrase, language, usable_engines(language, engine), samples, time.time_ns() % 1000)
    for number in range(samples):
        name = phrases.slug(phrase) + (f"_{number + 1}" if samples > 1 else "")
        audio.write_wav(folder / f"{name}.wav", synthesis.speak_one(plan, number)[0])
        log.info("Sample available at %s", folder / f"{name}.wav")
    log.info("Play it from your host.")


@wakeword.command()
@click.option("--positives", type=click.Path(path_type=Path), help="Folder of recordings of the phrase.")
@click.option("--ambient", type=click.Path(path_type=Path), help="Folder of audio without it: television, talk, household.")
@click.option("--cutoff", type=float, help="Instead of the manifest's.")
@click.option("--window", type=int, help="Instead of the manifest's.")
@click.option("--report", "page", type=click.Path(path_type=Path), help="Also write an HTML page.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
@click.option("--workers", default=0, help="Worker processes; 0 takes one per core.")
@click.argument("model", type=click.Path(path_type=Path))
def evaluate(
    positives: Path | None, ambient: Path | None, cutoff: float | None, window: int | None, page: Path | None, as_json: bool,
    workers: int, model: Path,
) -> None:
    """Measure MODEL (.tflite): recall, false accepts per hour, DET curve, latency, streamed as on the device."""
    if positives is None and ambient is None:
        raise click.UsageError("give --positives, --ambient, or both")
    from trainer.machine import cores
    from trainer.wakeword.evaluation import evaluate as run
    from trainer.wakeword.report import evaluation_report
    from trainer.workers import Workers

    _start_log(None, "")
    with Workers(workers or cores()) as pool:
        evaluation = run(model, positives, ambient, pool, cutoff, window)
    figures = evaluation.figures()
    if page:
        evaluation_report(page, evaluation, figures, model.stem)
    if as_json:
        click.echo(json.dumps(figures, indent=1, ensure_ascii=False))
        return
    for line in evaluation_lines(figures):
        click.echo(line)
    if page:
        click.echo(f"Report: {page}")


def evaluation_lines(figures: dict[str, Any]) -> list[str]:
    """The figures of an evaluation as text."""
    lines = [f"cutoff {figures['cutoff']:.3f}, sliding window {figures['sliding_window_size']}"]
    if "recall" in figures:
        low, high = figures["recall_interval"]
        lines.append(f"recall                  {figures['recall']:.3f}  (95 %: {low:.3f} ... {high:.3f}; {figures['positives']} clips)")
    if "false_accepts_per_hour" in figures:
        low, high = figures["false_accepts_per_hour_interval"]
        lines.append(f"false accepts per hour  {figures['false_accepts_per_hour']:.2f}   (95 %: {low:.2f} ... {high:.2f}; "
                     f"{figures['false_accepts']} in {figures['hours']:.2f} h)")
    if "latency_seconds" in figures:
        delay = figures["latency_seconds"]
        lines.append(f"latency                 {delay['median']:.2f} s median, {delay['p90']:.2f} s in 90 % (after the end of the phrase)")
    if "at_limits" in figures:
        lines.append("DET curve: at most ... false accepts/h -> cutoff, recall")
        lines += [f"  {row['false_accepts_per_hour']:4g} /h   {row['cutoff']:.3f}   {row['recall']:.3f}" for row in figures["at_limits"]]
    for path, seconds in figures.get("false_accepts_at", [])[:10]:
        lines.append(f"  woke at {seconds:.1f} s of {path}")
    aside = figures["set_aside"]
    if aside:
        lines.append(f"{len(aside)} files set aside:")
        lines += [f"  {row['path']}: {row['reason']}" for row in aside[:10]]
    return lines


@wakeword.command()
@click.option("--cleanup-archives/--no-cleanup-archives", default=False, help="Remove archives once they are unpacked.")
@click.option("--cleanup-intermediate-files/--no-cleanup-intermediate-files", default=False, help="Remove unpacked files once converted.")
@click.option("--catalogue", type=click.Path(path_type=Path), envvar="CATALOGUE", help="Another catalogue (TOML) than the project's.")
@click.option("--data-dir", type=click.Path(path_type=Path), default=Path("/data"), envvar="DATA_DIR")
@click.argument("names", nargs=-1)
def datasets(cleanup_archives: bool, cleanup_intermediate_files: bool, catalogue: Path | None, data_dir: Path, names: tuple[str, ...]) -> None:
    """Download, verify, unpack and convert the training data sets (all, or NAMES); what is there is skipped."""
    from trainer.corpora import read_catalogue, set_up
    from trainer.machine import cores
    from trainer.workers import Workers

    _start_log(None, "")
    with Workers(cores()) as pool:
        set_up(read_catalogue(catalogue), names, data_dir / "training_datasets", pool, cleanup_archives, cleanup_intermediate_files)


@cli.group()
def stt() -> None:
    """Speech to text: transcribed clips -> .pbmm and .tflite for DeepSpeech 0.9.3 and Coqui STT 1.4."""


@stt.command("train")
@_settings_options("SpeechSettings")
def train_speech(**flags: Any) -> None:
    """Import, train, test and export."""
    start = time.monotonic()
    from trainer.settings import SpeechSettings, load

    loaded = load({k: v for k, v in flags.items() if v is not None}, kind=SpeechSettings)
    settings = loaded.settings
    log_file = _start_log(settings.data_dir / "work" / "logs", "stt")
    for line in loaded.lines():
        log.log(logging.INFO if not line.endswith(" default") else logging.DEBUG, "  %s", line)
    from trainer.machine import summary
    from trainer.programs import quiet
    from trainer.steps import Steps

    with quiet():
        import keras  # noqa: F401
    from trainer.stt.pipeline import train_speech as run

    redo = tuple(name.strip() for name in settings.redo.split(",") if name.strip())
    steps = Steps(settings.data_dir / "work", redo, f"stt {settings.export_language}".strip())
    result = run(loaded, steps, log_file)
    if result.made:
        log.info("\n%s\n", summary([(name, spent) for name, spent in steps.seconds.items() if spent], time.monotonic() - start))
    else:
        log.info("Nothing to do: nothing changed since this model was made.")
    for name, clients in result.figures.items():
        for client, found in clients.items():
            low, high = found["wer_interval"]
            log.info("%s in %s: WER %.1f %% (95 %%: %.1f to %.1f), CER %.1f %%", name, client, 100 * found["wer"], 100 * low, 100 * high,
                     100 * found["cer"])
    log.info("Model: %s", result.folder)


@stt.command()
@click.option("--text", type=click.Path(path_type=Path, exists=True, dir_okay=False), required=True, help="A sentence a line.")
@click.option("--alphabet", type=click.Path(path_type=Path, exists=True, dir_okay=False), required=True, help="alphabet.txt of the model.")
@click.option("--top-k", type=int, default=500_000, show_default=True, help="Most frequent words that are kept.")
@click.option("--order", type=click.IntRange(2, 6), default=5, show_default=True)
@click.option("--prune", default="0 0 1", show_default=True, help="Counts up to which n-grams of each order are left out.")
@click.option("--memory", default="2G", show_default=True, help="Memory that lmplz may take.")
@click.option("--alpha", type=float, default=0.931289039105002, show_default=True)
@click.option("--beta", type=float, default=1.1834137581510284, show_default=True)
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
def lm(text: Path, alphabet: Path, top_k: int, order: int, prune: str, memory: str, alpha: float, beta: float, folder: Path) -> None:
    """Make FOLDER/kenlm.scorer from a text."""
    from trainer.stt import language_model
    from trainer.text import read_alphabet

    _start_log(None, "lm")
    folder.mkdir(parents=True, exist_ok=True)
    plan = language_model.LanguageModelPlan(top_k, order, prune, memory)
    language_model.build(text, plan, folder)
    click.echo(language_model.pack(folder, read_alphabet(alphabet), alpha, beta, folder))


@stt.command()
@click.option("--model", type=click.Path(path_type=Path, exists=True), required=True, help="output_graph.pbmm or .tflite.")
@click.option("--library", type=click.Path(path_type=Path, exists=True), required=True, help="libdeepspeech.so 0.9.3 or libstt.so 1.4.0.")
@click.option("--scorer", type=click.Path(path_type=Path, exists=True), help="External scorer.")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
def transcribe(model: Path, library: Path, scorer: Path | None, files: tuple[Path, ...]) -> None:
    """Transcribe FILES with a client's own library."""
    from trainer import audio
    from trainer.stt.client import Client

    with Client(library, model, scorer) as client:
        for path in files:
            click.echo(f"{path}\t{client.hear(audio.to_int16(audio.read(path))).text}")


def _start_log(folder: Path | None, name: str) -> Path:
    """Log to the terminal, and with DEBUG to a file if a folder is given; returns the file."""
    if folder is None:
        start_log()
        return Path(os.devnull)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{time.strftime('%Y-%m-%d-%H-%M-%S')}-{os.getpid()}-{name}.log"
    start_log(str(path))
    return path
