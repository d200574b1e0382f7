"""What there is to train on: corpora of a language, or files, as labels, split by use."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from dotenv import dotenv_values

from trainer.corpora import readers
from trainer.corpora.splits import Corpus, Split, assign, share
from trainer.corpora.utterance import Utterance
from trainer.errors import UserError
from trainer.log import log
from trainer.run import Run
from trainer.settings import DEFAULTS_FILE
from trainer.stt import language_model, sources
from trainer.stt.material import Material
from trainer.stt.settings import SpeechSettings
from trainer.stt.texts import find_texts
from trainer.text import language as languages
from trainer.text.alphabet import ENGLISH_LABELS, Alphabet, ByteAlphabet, alphabet_of, read_alphabet
from trainer.text.language import Language
from trainer.text.rules import AS_WRITTEN, Rules, composed, read_rules, spoken_numbers

USES = ("train", "dev", "test", "metrics")
FEWEST_TO_HOLD_OUT = 5  # clips; the originals' first example has one
FILES = ("table", "sdb")  # readers of files that have no splits of their own
NOTHING = "nothing to train on: give TRAIN_FILES (CSV with wav_filename and transcript), or "
NOTHING += "MODEL_LANGUAGE"


def gather(run: Run[SpeechSettings], language: Language | None, known: Alphabet | None) -> Material:
    """All utterances, by use. `known`: the alphabet of the starting weights.

    Raises UserError.
    """
    s = run.settings
    _check(run, language)
    fixed = _fixed_alphabet(s, language, known)
    spelling = composed(alphabet.labels) if (alphabet := fixed or known) else ()
    rules = replace(_rules(s, language), composed=spelling)
    material = Material(fixed or Alphabet(()), rules, Split(), language)
    if language and not s.train_files:
        corpora = _of_language(run, language, material)
        labelled = [_labelled(corpus, material) for corpus in corpora]
        most = s.duplicate_sentence_count
        material.split = assign(labelled, most if most > 1 else 0)
        if not material.split.of("dev"):  # the official ones are empty
            _hold_out(material.split, s.dev_share, "no corpus has a dev set")
    elif s.train_files:
        corpora = _of_files(s, material)
        labelled = [_labelled(corpus, material) for corpus in corpora]
        for corpus, kept in zip(corpora, labelled, strict=True):
            if not kept.utterances:
                use, _, name = corpus.name.partition(":")
                first = corpus.utterances[0]
                reason = next(reason for u, reason in material.refused if u is first)
                raise UserError(f"{use.upper()}_FILES: {name}: all clips are rejected: {reason}")
        material.split = _as_given(labelled, s.dev_share)
    else:
        return _without_clips(run, material)
    for use, limit in (("train", s.limit_train), ("dev", s.limit_dev), ("test", s.limit_test)):
        if limit:
            material.split.sets[use] = _limited(material.split.sets[use], limit)
    train = material.split.of("train")
    if not train:
        advice = "; ".join(f"{m.name}: {m.advice}" for m in material.missing)
        raise UserError(f"no clips to train on: {advice or 'all were rejected'}")
    if not material.split.of("dev"):
        files = "give DEV_FILES, or more clips" if s.train_files else "add corpora or clips"
        raise UserError(f"no clips for the dev set, by which weights are chosen: {files}")
    material.alphabet = fixed or _found_alphabet(s, language, train, known)
    if s.train_files or not language:
        _warn_of_leaks(material.split)
    if s.lm_text or language:
        find_texts(run, material, script_variables(s, language) if language else {})
    if language and not s.train_files:
        sources.report_unused(s.data_dir / "sources", material.used)
    if s.lm_classes:
        _check_classes(s, material)
        material.classes = language_model.read_classes(Path(s.lm_classes), material.rules)
    return material


def _without_clips(run: Run[SpeechSettings], material: Material) -> Material:
    """For scorers made from text, and exports of starting weights. Raises UserError."""
    s = run.settings
    if not material.alphabet.labels:
        raise UserError(f"{NOTHING}; without clips, a scorer also needs ALPHABET_CONFIG_PATH")
    if s.lm_text and s.lm_text != languages.TRANSCRIPTS:
        find_texts(run, material, {})
    return material


def _check(run: Run[SpeechSettings], language: Language | None) -> None:
    s = run.settings
    files = [use for use in ("dev", "test", "metrics") if getattr(s, f"{use}_files")]
    given = [f"{use.upper()}_FILES" for use in files]
    share_given = ["DEV_SHARE"] if run.given("dev_share") else []
    if not s.train_files and language and given + share_given:
        raise UserError(
            f"{', '.join(given + share_given)} would have no effect: with MODEL_LANGUAGE the "
            "corpora of importers.sh are split"
        )
    if s.dev_files and share_given:
        raise UserError("DEV_SHARE would have no effect: DEV_FILES are given")


def _check_classes(s: SpeechSettings, material: Material) -> None:
    places = [text.place for text in material.texts]
    why = ""
    if s.scorer_path:
        why = "with SCORER_PATH"
    elif s.bytes_output_mode:
        why = "with BYTES_OUTPUT_MODE"
    elif languages.TRANSCRIPTS not in places:
        why = "without `transcripts` in LM_TEXT"
    if why:
        raise UserError(f"LM_CLASSES has no effect {why}")


def _rules(s: SpeechSettings, language: Language | None) -> Rules:
    if s.validate_rules:
        rules = read_rules(s.validate_rules)[0]
        rules = replace(rules, casing=rules.casing or s.model_language)
    else:
        rules = language.rules if language else AS_WRITTEN
    if s.english_compatible or s.normalize:
        rules = replace(rules, fold=True, lower=True)
    return rules


def _fixed_alphabet(
    s: SpeechSettings, language: Language | None, known: Alphabet | None
) -> Alphabet | None:
    """The given labels, else the language's; with EPOCHS=0 those of the starting weights: there are
    no weights for others. None if the transcripts decide."""
    if s.bytes_output_mode:
        if s.alphabet_config_path:
            log.warning(
                "ALPHABET_CONFIG_PATH has no effect with BYTES_OUTPUT_MODE: the labels are bytes"
            )
        return ByteAlphabet()
    if s.alphabet_config_path:
        return read_alphabet(s.alphabet_config_path)
    if s.english_compatible:
        return Alphabet(ENGLISH_LABELS)
    if known and known.of_bytes and not s.drop_source_layers:
        raise UserError(
            f"{s.load_checkpoint_dir}: its labels are bytes: set BYTES_OUTPUT_MODE=1, or "
            "DROP_SOURCE_LAYERS=1 for other labels"
        )
    if known and s.epochs == 0:
        return known
    if language and language.alphabet and not s.validate_rules and not s.normalize:
        return language.alphabet
    return None


def _found_alphabet(
    s: SpeechSettings, language: Language | None, train: Sequence[Utterance], known: Alphabet | None
) -> Alphabet:
    """The characters of the transcripts, together with the labels of the starting weights."""
    found = alphabet_of([u.transcript for u in train])
    if known and not s.drop_source_layers and not language:
        return Alphabet(known.labels + tuple(c for c in found.labels if c not in known.labels))
    if len(found.labels) < 2:
        raise UserError("the transcripts hold no characters but the space")
    return found


def _labelled(corpus: Corpus, material: Material) -> Corpus:
    """The corpus with labels as transcripts; what the rules refuse goes to material.refused."""
    kept, rules = [], material.rules
    for u in corpus.utterances:
        if not u.transcript.strip():
            material.refused.append((u, "empty transcript"))
            continue
        text, reason = rules.apply(u.transcript)
        if reason:
            material.refused.append((u, reason))
        else:
            kept.append(replace(u, transcript=text))
    return replace(corpus, utterances=tuple(kept))


def _of_language(run: Run[SpeechSettings], language: Language, material: Material) -> list[Corpus]:
    """The corpora that importers.sh lists and that are in sources/."""
    s = run.settings
    place, script = s.data_dir / "sources", language.folder / "importers.sh"
    corpora: list[Corpus] = []
    for line in languages.script_lines(script, script_variables(s, language)):
        if not line.places:
            raise UserError(
                f"{script} printed '{line.name}': a reader needs a file of sources/ or an address "
                "after it"
            )
        found = sources.locate(line.name, line.places, line.options, place, s.download)
        if isinstance(found, sources.Missing):
            material.missing.append(found)
            log.info("%s: missing: %s", found.name, found.advice)
            continue
        sha256 = line.options.get("sha256", "")
        material.used += found
        is_file = line.name in FILES
        folder = found[0] if is_file else sources.unpacked(run.steps, line.name, found, sha256)
        options = {k: v for k, v in line.options.items() if k not in sources.OWN_OPTIONS}
        utterances = list(readers.read(line.name, folder, options))
        if line.options.get("numbers") == "words":
            utterances = [
                replace(u, transcript=spoken_numbers(u.transcript, language.code))
                for u in utterances
            ]
        count = sum(c.name.split("-")[0] == line.name for c in corpora)
        name = f"{line.name}-{count + 1}" if count else line.name
        material.reader_of[name] = line.name
        shared = line.options.get("sentences") == "shared"
        corpora.append(Corpus(name, tuple(utterances), shared))
    if not corpora:
        advice = "; ".join(f"{m.name}: {m.advice}" for m in material.missing)
        raise UserError(f"no corpus of '{language.code}' is in {place}: {advice}")
    return corpora


def script_variables(s: SpeechSettings, language: Language) -> dict[str, str]:
    """What importers.sh and prepare_lm.sh see: params.sh, and all settings as resolved."""
    file = dotenv_values(s.data_dir / DEFAULTS_FILE)
    params = languages.variables(language.folder / "params.sh")
    own = {k: os.environ.get(k) or file.get(k) or v for k, v in params.items()}
    settings = {}
    for name, value in s.model_dump().items():
        text = str(int(value) if isinstance(value, bool) else value)
        settings[name.upper()] = "" if value is None else text
    return own | settings


def _of_files(s: SpeechSettings, material: Material) -> list[Corpus]:
    """Each file becomes a corpus named use:title, limited to its official split if any."""
    found: dict[str, list[Utterance]] = {}
    for use in USES:
        known: dict[str, Path] = {}
        names = (name.strip() for name in getattr(s, f"{use}_files").split(","))
        for name in filter(None, names):
            kind, path, options = readers.named(name)
            title = kind if kind not in FILES else path.stem
            if known.setdefault(title, path) != path:  # two files of one name
                title = f"{path.absolute().parent.name}_{title}"
            if kind not in FILES:
                material.reader_of[title] = kind
            given = _of_use(s, use, name, kind, path, options)
            found.setdefault(f"{use}:{title}", []).extend(replace(u, split=use) for u in given)
    if not any(name.startswith("train:") for name in found):
        raise UserError(NOTHING)
    return [Corpus(name, tuple(utterances), shared=True) for name, utterances in found.items()]


def _of_use(
    s: SpeechSettings, use: str, name: str, kind: str, path: Path, options: dict[str, str]
) -> list[Utterance]:
    count = str(s.duplicate_sentence_count)
    more = {"duplicate_sentence_count": count} if kind == "common_voice" else {}
    options = more | options
    given = list(readers.read(kind, path, options))
    wanted = "dev" if use == "metrics" else use
    setting = f"{use.upper()}_FILES: {name}"
    if any(u.split == wanted for u in given):
        given = [u for u in given if u.split == wanted]
    elif kind not in FILES and any(u.split for u in given):
        there = ", ".join(sorted({u.split for u in given}))
        raise UserError(f"{setting} has no official {wanted} set; it has {there}")
    if not given:
        raise UserError(f"{setting} holds no clips")
    return given


def _as_given(corpora: Sequence[Corpus], dev_share: float) -> Split:
    """Files in the use that they were given for. Without dev files `dev_share` of the speakers
    (of the clips, where speakers are unknown) is held out, the same whatever the order."""
    split = Split({use: {} for use in USES})
    listed: set[tuple[str, tuple[str, float, int]]] = set()
    for corpus in corpora:
        use, _, name = corpus.name.partition(":")
        for u in corpus.utterances:
            if (use, u.clip) in listed:
                split.rejected.append((u, "listed twice"))
            else:
                listed.add((use, u.clip))
                split.sets[use].setdefault(name, []).append(u)
    if not split.sets["dev"]:
        _hold_out(split, dev_share, "no DEV_FILES")
    return split


def _hold_out(split: Split, dev_share: float, why: str) -> None:
    """Move `dev_share` of the training speakers (of the clips, where speakers are unknown) to the
    dev set, the same whatever the order."""
    train, of = split.of("train"), "the speakers"
    if len(train) < FEWEST_TO_HOLD_OUT:
        log.warning(f"{why}, and {len(train)} clips are too few to hold any out: they are both")
        split.sets["dev"] = {"train": train} if train else {}
        return
    places = [share(u.speaker or u.path) for u in train]
    limit = max(dev_share, min(places, default=0.0))  # at least one of them
    chosen = {id(u) for u, place in zip(train, places, strict=True) if place <= limit}
    if len(chosen) >= len(train) / 3:  # a few speakers only
        chosen, of = {id(u) for u in train[:: round(1 / dev_share)]}, "the clips"
    split.sets["dev"] = {"held_out": [u for u in train if id(u) in chosen]}
    split.sets["train"] = {
        name: kept
        for name, found in split.sets["train"].items()
        if (kept := [u for u in found if id(u) not in chosen])
    }
    log.info(
        f"{why}: {len(chosen)} of {len(train)} clips ({dev_share:g} of {of}) are held out of "
        "training"
    )


def _warn_of_leaks(split: Split) -> None:
    """Warn of clips and speakers, and log sentences, that are trained on and evaluated."""
    train = split.of("train")
    speakers, sentences = {u.speaker for u in train if u.speaker}, {u.transcript for u in train}
    clips = {u.clip for u in train}
    for use in ("dev", "test"):
        found = split.of(use)
        same = sum(u.clip in clips for u in found)
        both = speakers & {u.speaker for u in found}
        if same:
            log.warning(
                f"{use}: {same} of its {len(found)} clips are also trained on: its error rate "
                "does not predict that of other speech"
            )
        elif both:
            log.warning(
                f"{use}: {len(both)} of its speakers are also trained on: its error rate is "
                "too good"
            )
        if known := sum(u.transcript in sentences for u in found):
            log.info("%s: %d of %d sentences are also trained on", use, known, len(found))


def _limited(by_name: dict[str, list[Utterance]], limit: int) -> dict[str, list[Utterance]]:
    """The first clips, from all corpora in turn."""
    found: dict[str, list[Utterance]] = {name: [] for name in by_name}
    for place in range(limit):
        for name, utterances in by_name.items():
            if place < len(utterances) and sum(map(len, found.values())) < limit:
                found[name].append(utterances[place])
    return {name: kept for name, kept in found.items() if kept}
