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
from contextlib import nullcontext
from pathlib import Path
from types import FrameType
from typing import Any

import click

from trainer import __version__
from trainer.workers import start_log

log = logging.getLogger("trainer")
TRANSFER = Path("/transfer-checkpoint")  # starting weights, if that is mounted


def _errors() -> tuple[type[BaseException], ...]:
    """What is reported in one line; imported when something went wrong."""
    from trainer.audio import AudioError
    from trainer.corpora import CorpusError
    from trainer.languages import LanguageError
    from trainer.machine import MachineError
    from trainer.programs import ProgramError
    from trainer.readers import ReaderError
    from trainer.settings import SettingsError
    from trainer.steps import StepError
    from trainer.stt.checkpoints import CheckpointError
    from trainer.stt.client import ClientError
    from trainer.stt.decoder import DecoderError
    from trainer.text import TextError
    from trainer.wakeword.engines import EngineError
    from trainer.wakeword.phrases import PhraseError
    from trainer.wakeword.recordings import RecordingsError
    from trainer.workers import WorkerError

    found: list[type[BaseException]] = [
        AudioError, CorpusError, MachineError, ProgramError, SettingsError, StepError, EngineError, PhraseError, RecordingsError,
        WorkerError, ReaderError, CheckpointError, ClientError, DecoderError, LanguageError, TextError, OSError, ValueError, MemoryError,
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
        cli.main(_as_click(sys.argv[1:]), standalone_mode=False)
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


SWITCHED = {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False}  # as absl reads flags
LISTS = {"--train-files": ",", "--dev-files": ",", "--test-files": ",", "--metrics-files": ",", "--augment": " "}


def _as_click(arguments: list[str]) -> list[str]:
    """The originals' ways of writing in ours: `--flag true`, `--flag=false`, and lists with spaces."""
    if arguments[:1] != ["stt"]:
        return arguments
    from trainer import settings

    switches = {"--" + name.replace("_", "-") for name in settings.kinds()["SpeechSettings"].switches()}

    def switched(flag: str, value: str) -> bool:
        return value.lower() in SWITCHED and flag.replace("_", "-") in switches

    def parts(argument: str) -> list[str]:
        flag, _, value = argument.partition("=")
        return [flag, value] if switched(flag, value) else [argument]

    found: list[str] = []
    for word in (part for argument in arguments for part in parts(argument)):
        flag = found[-1].replace("_", "-") if found else ""
        before = found[-2].replace("_", "-") if len(found) > 1 else ""
        if switched(flag, word):
            if not SWITCHED[word.lower()]:
                found[-1] = f"--no-{flag[2:]}"
        elif before in LISTS and not word.startswith("-"):
            found[-1] += LISTS[before] + word
        else:
            found.append(word)
    return found


def _one_line(error: BaseException) -> str:
    if isinstance(error, MemoryError):
        return "out of memory: give the container more, or set WORKERS=1 and a smaller batch size; then run the same command again"
    if isinstance(error, PermissionError):
        there = error.filename is not None and Path(error.filename).is_file() and not os.access(error.filename, os.R_OK)
        return f"{error.filename} cannot be {'read' if there else 'written'} by uid {os.getuid()}; chown it, or run with --user"
    return " ".join(str(error).split()) or type(error).__name__


@click.group(context_settings={"help_option_names": ["-h", "--help"], "token_normalize_func": lambda name: name.replace("_", "-")})
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
    from trainer.steps import alone, list_steps

    work, freed = data_dir / "work", 0
    with nullcontext() if dry_run or older_than_days >= 1 or not work.exists() else alone(work):
        for step in list_steps(work):
            if time.time() - step["used"] >= older_than_days * 86400 and (phrase is None or step["label"] == phrase):
                freed += step["bytes"]
                click.echo(f"{'would remove' if dry_run else 'removed'} {step['folder']}")
                if not dry_run:
                    shutil.rmtree(step["folder"])
    click.echo(f"{freed / 1e6:.1f} MB {'would be ' if dry_run else ''}freed")


@cli.group()
def wakeword() -> None:
    """Wake words: a phrase -> a streaming int8 .tflite and its manifest."""


def _switch(flag: str, name: str, **more: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    return click.option(f"{flag}/--no-{flag[2:]}", f" /--no{flag[2:]}", name, default=None, **more)


def _settings_options(kind: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """One option a setting, from its definition: name, type, bounds and explanation live in trainer/settings*.py."""
    from trainer import settings

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        fields = settings.kinds()[kind]
        switches = fields.switches()
        for name in (*fields.aliases, *fields.ineffective):
            flag = "--" + name.replace("_", "-")
            if name in switches:
                command = _switch(flag, name, hidden=True)(command)
            else:
                value: dict[str, Any] = {"flag_value": "true", "is_flag": False} if name in fields.ineffective else {}
                command = click.option(flag, f"--no{flag[2:]}", f"--no-{flag[2:]}", name, default=None, hidden=True, **value)(command)
        for name, field in reversed(fields.model_fields.items()):
            flag = "--" + name.replace("_", "-")
            told = f"{field.description} [default: {field.default}]" if field.default not in (None, "", False) else field.description
            if name in switches:
                option = _switch(flag, name, help=told)
            elif name == "augment":
                option = click.option(flag, multiple=True, callback=lambda _, __, given: " ".join(given) or None, help=told, metavar="SPEC")
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
    phrase = phrases.clean(wake_word)
    title = " ".join((title or " ".join(w[:1].upper() + w[1:] for w in phrase.rstrip(".!?").split())).split())
    log_file, steps = _start_run(loaded, phrases.slug(phrase), phrase)
    if settings.quick:
        log.info("--quick: %d samples, %g h of other speech, %d steps: a first look; expect more false accepts than from a full run",
                 settings.samples, settings.speech_hours, settings.training_steps)
    log.info("===== Training '%s' as %s =====", phrase, title)
    from trainer.machine import summary
    from trainer.wakeword.pipeline import train_wake_word

    result = train_wake_word(loaded, phrase, title, steps, log_file)
    steps.tell_redo()
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
@click.option("--samples", default=1, show_default=True, type=click.IntRange(1), help="How many to make.")
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
@click.option("--cutoff", type=click.FloatRange(0, 1), help="Instead of the manifest's.")
@click.option("--window", type=click.IntRange(1), help="Instead of the manifest's.")
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


def _stage(name: str, told: str) -> None:
    """`trainer stt <name>`: the line up to that stage."""

    @stt.command(name, help=told)
    @_settings_options("SpeechSettings")
    def command(**flags: Any) -> None:
        _run_speech(flags, "package" if name == "train" else name)


for _name, _told in (
    ("import", "Read, check and split all clips, and say what was set aside and why."),
    ("alphabet", "Write alphabet.txt."),
    ("lm", "Make the scorer from a text, with the weights that were given."),
    ("train", "Train, then tune, test, export and package."),
    ("tune", "Search LM_ALPHA and LM_BETA on dev clips and write them into the scorer."),
    ("export", "Write .pb, .pbmm and .tflite."),
    ("test", "Measure error rates, of our decoder and in the clients' own libraries."),
    ("package", "All of it: what `train_language` runs."),
):
    _stage(_name, _told)


def _run_speech(flags: dict[str, Any], until: str) -> None:
    start = time.monotonic()
    from trainer import languages
    from trainer.settings import SettingsError, load
    from trainer.settings_stt import SpeechSettings

    given = {k: v for k, v in flags.items() if v is not None}
    early = load(given, kind=SpeechSettings, language=None).settings
    if not (early.model_language or early.train_files) and (code := os.environ.get("VOICEKILN_LANGUAGE")):  # the image's
        given["model_language"] = code
        early = load(given, kind=SpeechSettings, language=None).settings
    if (code := early.model_language) and not early.train_files:  # else its corpora's settings and licence are not those of the files
        folder = languages.find(code, early.data_dir)
        own = languages.variables(folder / "params.sh")
        described = languages.variables(folder / "metadata.sh")
        for name in described:
            if not name.startswith(("METADATA_", "EXPORT_")):
                raise SettingsError(f"{folder / 'metadata.sh'}: {name} is not METADATA_... or EXPORT_...; settings belong into params.sh")
        loaded = load(given, kind=SpeechSettings, language=own | described, language_source=f"lang/{code}")
    else:
        loaded = load(given, kind=SpeechSettings)
    settings = loaded.settings
    if settings.load_checkpoint_dir is None and TRANSFER.is_dir() and any(TRANSFER.iterdir()):
        loaded.sources["load_checkpoint_dir"] = "the mount"
        loaded = loaded.model_copy(update={"settings": settings.model_copy(update={"load_checkpoint_dir": TRANSFER})})
        settings = loaded.settings
    log_file, steps = _start_run(loaded, "stt", f"stt {settings.export_language or settings.model_language}".strip())
    from trainer.machine import summary
    from trainer.stt.pipeline import train_speech as run

    result = run(loaded, steps, log_file, until)
    steps.tell_redo()
    if result.made:
        log.info("\n%s\n", summary([(name, spent) for name, spent in steps.seconds.items() if spent], time.monotonic() - start))
    else:
        log.info("Nothing to do: nothing changed since this model was made.")
    for name, decoders in result.figures.items():
        for decoder, found in decoders.items():
            low, high = found["wer_interval"]
            agrees = f", same text as ours in {100 * found['agreement']:.0f} %" if "agreement" in found else ""
            log.info("%s, %s: WER %.1f %% (95 %%: %.1f to %.1f), CER %.1f %%, %d clips%s", name, decoder, 100 * found["wer"], 100 * low, 100 * high,
                     100 * found["cer"], found["clips"], agrees)
    log.info("%s: %s", "Model" if until == "package" else "Made" if result.made else "There", result.folder)


@stt.command()
@click.option("--model", type=click.Path(path_type=Path, exists=True, dir_okay=False), required=True, help=".pbmm, .pb or .tflite.")
@click.option("--library", type=click.Path(path_type=Path, exists=True), help="libdeepspeech.so or libstt.so; else the published one that fits.")
@click.option("--scorer", type=click.Path(path_type=Path, exists=True), help="External scorer.")
@click.option("--data-dir", type=click.Path(path_type=Path), default=Path("/data"), envvar="DATA_DIR")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
def transcribe(model: Path, library: Path | None, scorer: Path | None, data_dir: Path, files: tuple[Path, ...]) -> None:
    """Transcribe FILES with a client's own library: a line each, the file, a tab, the text."""
    from trainer.audio import AudioError
    from trainer.readers import Utterance
    from trainer.stt.client import fetch
    from trainer.stt.decoder import read_scorer
    from trainer.stt.evaluation import Run, read_clips

    if scorer:
        read_scorer(scorer, None)  # of a damaged one the library would die
    library = library or fetch(data_dir / "tools" / "clients")["stt" if model.suffix == ".tflite" else "deepspeech"]
    failed = 0
    with Run(library, model, scorer).client() as client:
        for path in files:
            try:
                click.echo(f"{path}\t{client.hear(read_clips(client.sample_rate_hz, [Utterance(str(path), '')])[0]).text}")
            except AudioError as error:
                failed += 1
                click.echo(f"ERROR: {error}", err=True)
    if failed:
        raise click.ClickException(f"{failed} of {len(files)} files could not be read")


@stt.command()
@click.argument("source")
@click.argument("target", type=click.Path(path_type=Path))
def convert(source: str, target: Path) -> None:
    """Write SOURCE (a table, a sample database, or reader:folder) as TARGET: .sdb, or .csv with 16 kHz WAV files beside."""
    from trainer.conversion import convert as run

    written, aside = run(source, target)
    for path, reason in aside[:10]:
        click.echo(f"set aside: {path}: {reason}", err=True)
    click.echo(f"{target}: {written} clips, {len(aside)} set aside")


@stt.command("language")
@click.option("--data-dir", type=click.Path(path_type=Path), default=Path("/data"), envvar="DATA_DIR")
@click.argument("code")
def check_language(data_dir: Path, code: str) -> None:
    """Try the examples of a language's rules, and say what its scripts print."""
    from trainer import languages

    language = languages.read(code, data_dir)
    wrong = 0
    for example in language.examples:
        found = language.rules.labels(example.given)
        outside = language.alphabet.missing(found) if language.alphabet and found else []
        wrong += found != example.labels or bool(outside)
        click.echo(f"{'ok ' if found == example.labels and not outside else 'BAD'} {example.given!r} -> {found!r}"
                   + ("" if found == example.labels else f", wanted {example.labels!r}") + (f", not in the alphabet: {outside}" if outside else ""))
    own = languages.variables(language.folder / "params.sh") | {"DUPLICATE_SENTENCE_COUNT": "1"}
    for script in ("importers.sh", "prepare_lm.sh"):
        for line in languages.told_lines(language.folder / script, own):
            click.echo(f"{script}: {line.name} {' '.join(line.places)} {line.options or ''}".rstrip())
    if wrong:
        raise click.ClickException(f"{wrong} of {len(language.examples)} examples of {language.folder / 'rules.toml'} are wrong")


def _start_run(loaded: Any, name: str, label: str) -> tuple[Path, Any]:
    """(log file, steps) of a run; what differs from the defaults is told."""
    from trainer.programs import quiet
    from trainer.steps import Steps

    settings = loaded.settings
    log_file = _start_log(settings.data_dir / "work" / "logs", name)
    for line in loaded.lines():
        log.log(logging.INFO if not line.endswith(" default") else logging.DEBUG, "  %s", line)
    os.environ["KERAS_BACKEND"] = "tensorflow"  # of this process, which exports; what trains has its own
    with quiet():
        import keras  # noqa: F401
    redo = tuple(name.strip() for name in settings.redo.split(",") if name.strip())
    return log_file, Steps(settings.data_dir / "work", redo, label)


def _start_log(folder: Path | None, name: str) -> Path:
    """Log to the terminal, and with DEBUG to a file if a folder is given; returns the file."""
    if folder is None:
        start_log()
        return Path(os.devnull)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{time.strftime('%Y-%m-%d-%H-%M-%S')}-{os.getpid()}-{name}.log"
    start_log(str(path))
    return path
