"""`trainer stt`: parse, call, print."""

import json
from pathlib import Path
from typing import Any

import click

from trainer.options import FOLDER, Function, data_dir, settings_options
from trainer.stt.settings import SpeechSettings

SWITCHED = {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False}  # as absl
LISTS = {f"--{use}-files": "," for use in ("train", "dev", "test", "metrics")} | {"--augment": " "}
EXISTING = click.Path(path_type=Path, exists=True)
MODEL = click.Path(path_type=Path, exists=True, dir_okay=False)


class OriginalFlags(click.Command):
    """A command that accepts flags as the original trainers write them."""

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(context, as_click(args))


def as_click(arguments: list[str]) -> list[str]:
    """`--flag true`, `--flag=false` and lists with spaces, in click's form."""
    switches = {"--" + name.replace("_", "-") for name in SpeechSettings.switches()}
    others = {*SpeechSettings.ineffective, *SpeechSettings.harmless}
    negated = {f"--no{dash}{n.replace('_', '-')}": n for n in others for dash in ("", "-")}

    def switched(flag: str, value: str) -> bool:
        return value.lower() in SWITCHED and flag.replace("_", "-") in switches

    def parts(argument: str) -> list[str]:
        flag, _, value = argument.partition("=")
        if name := negated.get(flag.replace("_", "-")):  # as absl switches a flag off
            return [f"--{name}=false"]
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


@click.group()
def cli() -> None:
    """Speech to text: transcribed clips -> .pbmm and .tflite for DeepSpeech and Coqui STT."""


def _stage(name: str, text: str) -> None:
    """`trainer stt <name>`: the line up to that stage."""

    @cli.command(name, help=text, cls=OriginalFlags)
    @settings_options(SpeechSettings)
    def command(settings_file: Path | None, **options: Any) -> None:
        from trainer.stt.line import run

        run(options, settings_file, name)


for _name, _text in (
    ("import", "Read, check and split all clips; list rejected clips with the reason."),
    ("alphabet", "Write alphabet.txt."),
    ("lm", "Make the scorer from text, without tuning its weights."),
    ("train", "Train, then tune, test, export and package."),
    ("tune", "Search for the best LM_ALPHA and LM_BETA on dev clips and write them to the scorer."),
    ("export", "Write .pb, .pbmm and .tflite."),
    (
        "test",
        "Measure error rates of a trained model with our decoder and with the clients' libraries.",
    ),
    ("package", "All stages: what `train_language` runs."),
):
    _stage(_name, _text)


def _client(command: Function) -> Function:
    """Options of the commands that run a model in a client's library."""
    for option in (
        data_dir,
        click.option("--scorer", type=EXISTING, help="External scorer."),
        click.option(
            "--library",
            type=EXISTING,
            help="libdeepspeech.so or libstt.so; default: the published one that fits the model.",
        ),
        click.option("--model", type=MODEL, required=True, help=".pbmm, .pb or .tflite."),
    ):
        command = option(command)
    return command


@cli.command()
@_client
@click.option(
    "--format",
    "form",
    type=click.Choice(("text", "json", "srt")),
    default="text",
    show_default=True,
    help="text: file, tab, text; json: segments and words with times; srt: subtitles.",
)
@click.option("--output", type=FOLDER, help="Folder for a file each (.txt, .json, .srt).")
@click.option(
    "--hot-word", "hot_words", multiple=True, metavar="WORD:BOOST", help="As --hot-word=alexa:9.5."
)
@click.argument("files", nargs=-1, required=True, type=FOLDER, metavar="FILE|FOLDER...")
def transcribe(
    model: Path,
    library: Path | None,
    scorer: Path | None,
    data_dir: Path,
    form: str,
    output: Path | None,
    hot_words: tuple[str, ...],
    files: tuple[Path, ...],
) -> None:
    """Transcribe files, and what is in folders, with a client's own library; long recordings are
    cut at pauses."""
    from trainer import stt
    from trainer.stt import transcription

    boosts = dict(map(_boost, hot_words))
    listed = transcription.files_in(files)
    found, total, names = [], len(listed), transcription.names_of(listed)
    for one in stt.transcripts(model, files, scorer, library, data_dir, boosts):
        if one.error:
            click.echo(f"ERROR: {one.error}", err=True)
            continue
        found.append(one)
        if output:
            transcription.write(one, form, output, names[one.path])
        elif form != "json":
            click.echo(transcription.WRITERS[form](one))
    if form == "json" and not output:
        click.echo(transcription.as_json(found))
    if len(found) < total:
        raise click.ClickException(f"{total - len(found)} of {total} files could not be read")


def _boost(given: str) -> tuple[str, float]:
    word, _, boost = given.rpartition(":")
    try:
        return word, float(boost)
    except ValueError:
        raise click.BadParameter(f"'{given}' is not WORD:BOOST, as in alexa:9.5") from None


@cli.command()
@_client
@click.option("--language", default="", help="References follow the rules of this language.")
@click.option("--workers", default=0, help="Worker processes; 0 means one per core.")
@click.option("--json", "as_json", is_flag=True, help="Print figures and clips as JSON.")
@click.argument("files", nargs=-1, required=True, metavar="CSV...")
def evaluate(
    model: Path,
    library: Path | None,
    scorer: Path | None,
    data_dir: Path,
    language: str,
    workers: int,
    as_json: bool,
    files: tuple[str, ...],
) -> None:
    """Error rates of any .pbmm or .tflite, ours or a release, on tables of clips or corpora
    (reader:folder), in the client's own library; every clip is listed."""
    from trainer import stt
    from trainer.log import start_log
    from trainer.stt.line import log_figures

    start_log()
    found = stt.evaluate(model, files, scorer, library, language, data_dir, workers)
    for one in found.rejected:
        click.echo(f"rejected: {one.path}: {one.reason}", err=True)
    if as_json:
        click.echo(json.dumps({"figures": found.figures, "clips": found.clips}, ensure_ascii=False))
        return
    click.echo("file\twer\tcer\treference\thypothesis")
    for clip in found.clips:
        rates = f"{clip['wer']:.3f}\t{clip['cer']:.3f}"
        click.echo(f"{clip['wav_filename']}\t{rates}\t{clip['src']}\t{clip['res']}")
    log_figures({model.name: {"with scorer" if scorer else "without scorer": found.figures}})


@cli.command()
@click.argument("source")
@click.argument("target", type=FOLDER)
def convert(source: str, target: Path) -> None:
    """Write SOURCE (a table, a sample database, or reader:folder) as TARGET: .sdb, or .csv with
    16 kHz WAV files in a folder of the same name."""
    from trainer.corpora.convert import convert as run

    written, refused = run(source, target)
    for one in refused[:10]:
        click.echo(f"rejected: {one.path}: {one.reason}", err=True)
    click.echo(f"{target}: {written} clips, {len(refused)} rejected")


@cli.command("language")
@data_dir
@click.argument("code")
def check_language(data_dir: Path, code: str) -> None:
    """Test the examples of a language's rules, and show the output of its scripts."""
    from trainer.text import language as languages

    language = languages.read(code, data_dir)
    wrong = 0
    for example in language.examples:
        problem = language.problem_with(example)
        wrong += bool(problem)
        labels = language.rules.labels(example.given)
        click.echo(f"{'BAD' if problem else 'ok '} {example.given!r} -> {labels!r}{problem}")
    own = languages.variables(language.folder / "params.sh") | {"DUPLICATE_SENTENCE_COUNT": "1"}
    for script in ("importers.sh", "prepare_lm.sh"):
        for line in languages.script_lines(language.folder / script, own):
            places, options = " ".join(line.places), line.options or ""
            click.echo(f"{script}: {line.name} {places} {options}".rstrip())
    if wrong:
        raise click.ClickException(
            f"{wrong} of {len(language.examples)} examples of {language.folder / 'rules.toml'} "
            "are wrong"
        )
