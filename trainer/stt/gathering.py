"""What there is to train on: corpora of a language or files, as labels, split, with everything that was set aside and why."""

from __future__ import annotations

import hashlib
import logging
import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from dotenv import dotenv_values

from trainer import languages, readers
from trainer.languages import Language, LanguageError, Line
from trainer.mfcc import Features
from trainer.readers import Utterance
from trainer.settings import DEFAULTS_FILE, Loaded
from trainer.settings_stt import SpeechSettings
from trainer.steps import Steps
from trainer.stt import language_model, preparation, sources
from trainer.stt.language_model import Classes
from trainer.stt.splits import Corpus, Split, assign, share
from trainer.text import ENGLISH_LABELS, Alphabet, ByteAlphabet, Rules, TextError, alphabet_of, normal, read_alphabet, read_rules, spoken_numbers

log = logging.getLogger("trainer")
USES = ("train", "dev", "test", "metrics")
MOST_TIMES = 10_000
FILES = ("table", "sdb")  # readers of files that have no splits of their own


@dataclass
class Material:
    """Everything that the line starts from."""

    alphabet: Alphabet
    rules: Rules | None
    split: Split
    language: Language | None = None
    refused: list[tuple[Utterance, str]] = field(default_factory=list)  # by the rules
    texts: list[Path | str] = field(default_factory=list)  # of the language model; languages.TRANSCRIPTS for those trained on
    text_keys: list[str] = field(default_factory=list)
    times: dict[Path | str, int] = field(default_factory=dict)  # how often a text counts, where that is not once
    classes: Classes = ()  # of words, by which transcripts are varied
    missing: list[sources.Missing] = field(default_factory=list)
    reader_of: dict[str, str] = field(default_factory=dict)  # of the corpora that have one

    def rejected_rows(self) -> list[tuple[str, str, str, str]]:
        """(path, use, reason, transcript) of what was set aside before any clip was read."""
        return [(u.path, u.split, reason, u.transcript) for u, reason in (*self.refused, *self.split.rejected)]

    def rejected_key(self) -> str:
        """Changes with them."""
        return hashlib.sha256(repr(self.rejected_rows()).encode()).hexdigest()[:16]

    def titles(self, sets: Mapping[str, Mapping[str, Path]]) -> dict[str, tuple[str, str, str]]:
        """(title, licence, source) of each corpus."""
        found = {}
        for name in dict.fromkeys(name for by_name in sets.values() for name in by_name):
            module = readers.reader(self.reader_of[name]) if name in self.reader_of else None
            found[name] = (module.TITLE, module.LICENCE, module.SOURCE) if module else (name, "", "")
        return found


def gather(loaded: Loaded, steps: Steps, language: Language | None, known: Alphabet | None) -> Material:
    """All utterances, by use. `known`: the alphabet of the starting weights. Raises LanguageError, ReaderError, TextError, CorpusError,
    ValueError."""
    s: SpeechSettings = loaded.settings
    share_given = ["DEV_SHARE"] if loaded.sources["dev_share"] != "default" else []
    given = [f"{use.upper()}_FILES" for use in ("dev", "test", "metrics") if getattr(s, f"{use}_files")] + share_given
    if not s.train_files and language and given:
        raise ValueError(f"{', '.join(given)} would have no effect: with MODEL_LANGUAGE the corpora of importers.sh are split")
    if s.dev_files and share_given:
        raise ValueError("DEV_SHARE would have no effect: DEV_FILES are given")
    rules = _rules(s, language)
    material = Material(Alphabet(()), rules, Split(), language)
    from_language = language if not s.train_files else None
    corpora = _of_language(loaded, steps, from_language, material) if from_language else _of_files(s, material)
    labelled = [replace(c, utterances=tuple(_labelled(c, rules, material))) for c in corpora]
    if from_language:
        material.split = assign(labelled, s.duplicate_sentence_count if s.duplicate_sentence_count > 1 else 0)
    else:
        for corpus, kept in zip(corpora, labelled, strict=True):
            if not kept.utterances:
                use, _, name = corpus.name.partition(":")
                reason = next(reason for u, reason in material.refused if u is corpus.utterances[0])
                raise ValueError(f"{use.upper()}_FILES: {name}: all clips are set aside: {reason}")
        material.split = _as_given(labelled, s.dev_share)
    for use, limit in (("train", s.limit_train), ("dev", s.limit_dev), ("test", s.limit_test)):
        if limit:
            material.split.sets[use] = _limited(material.split.sets[use], limit)
    train, dev = material.split.of("train"), material.split.of("dev")
    if not train:
        raise ValueError("no clips to train on: " + ("; ".join(f"{m.name}: {m.advice}" for m in material.missing) or "all were set aside"))
    if not dev:
        raise ValueError("no clips for the dev set, by which weights are chosen: give DEV_FILES, or more speakers")
    material.alphabet = _alphabet(s, language, [u.transcript for u in train], known)
    if not from_language:
        _tell_leaks(material.split)
    if s.lm_text or language:
        _find_texts(loaded, steps, material)
    if s.lm_classes:
        if why := ("with SCORER_PATH" if s.scorer_path else "with BYTES_OUTPUT_MODE" if s.bytes_output_mode
                   else "without `transcripts` in LM_TEXT" if languages.TRANSCRIPTS not in material.texts else ""):
            raise ValueError(f"LM_CLASSES has no effect {why}")
        material.classes = language_model.read_classes(Path(s.lm_classes), rules)
    return material


def _rules(s: SpeechSettings, language: Language | None) -> Rules | None:
    rules = read_rules(s.validate_rules)[0] if s.validate_rules else language.rules if language else None
    if s.english_compatible or s.normalize:
        rules = replace(rules or Rules(refuse="", space="", drop="", replace=()), fold=True)
    return rules


def _alphabet(s: SpeechSettings, language: Language | None, transcripts: Sequence[str], known: Alphabet | None) -> Alphabet:
    """The labels: as they are given, else of the language, else of the transcripts, with those that the starting weights know. With
    EPOCHS=0 only these: there are no weights for others.
    """
    if s.bytes_output_mode:
        if s.alphabet_config_path:
            log.warning("ALPHABET_CONFIG_PATH has no effect with BYTES_OUTPUT_MODE: the labels are bytes")
        return ByteAlphabet()
    if s.alphabet_config_path:
        return read_alphabet(s.alphabet_config_path)
    if s.english_compatible:
        return Alphabet(ENGLISH_LABELS)
    if known and known.of_bytes and not s.drop_source_layers:
        raise ValueError(f"{s.load_checkpoint_dir}: weights of bytes: set BYTES_OUTPUT_MODE=1, or DROP_SOURCE_LAYERS=1 for other labels")
    if known and s.epochs == 0:
        return known
    if language and language.alphabet and not s.validate_rules and not s.normalize:
        return language.alphabet
    found = alphabet_of(transcripts)
    if known and not s.drop_source_layers and not language:
        return Alphabet(known.labels + tuple(c for c in found.labels if c not in known.labels))
    if len(found.labels) < 2:
        raise TextError("the transcripts hold no characters but the space")
    return found


def _labelled(corpus: Corpus, rules: Rules | None, material: Material) -> list[Utterance]:
    kept = []
    for u in corpus.utterances:
        if not u.transcript.strip():
            material.refused.append((u, "empty transcript"))
        elif (text := rules.labels(u.transcript) if rules else normal(u.transcript)) is None:
            material.refused.append((u, "refused by the rules of transcripts"))
        else:
            kept.append(replace(u, transcript=text))
    return kept


def _of_language(loaded: Loaded, steps: Steps, language: Language, material: Material) -> list[Corpus]:
    s: SpeechSettings = loaded.settings
    place = s.data_dir / "sources"
    corpora: list[Corpus] = []
    for line in languages.told_lines(language.folder / "importers.sh", script_variables(loaded, language)):
        if not line.places:
            raise LanguageError(f"{language.folder / 'importers.sh'} printed '{line.name}': a reader needs a file of sources/ or an address after it")
        found = sources.locate(line.name, line.places, line.options, place, s.download)
        if isinstance(found, sources.Missing):
            material.missing.append(found)
            log.info("%s: not there: %s", found.name, found.advice)
            continue
        folder = found[0] if line.name in FILES else sources.unpacked(steps, line.name, found, line.options.get("sha256", ""))
        options = {k: v for k, v in line.options.items() if k not in sources.OWN_OPTIONS}
        utterances = list(readers.read(line.name, folder, options))
        if line.options.get("numbers") == "words":
            utterances = [replace(u, transcript=spoken_numbers(u.transcript, language.code)) for u in utterances]
        count = sum(c.name.split("-")[0] == line.name for c in corpora)
        name = f"{line.name}-{count + 1}" if count else line.name
        material.reader_of[name] = line.name
        corpora.append(Corpus(name, tuple(utterances), line.options.get("sentences") == "shared"))
    if not corpora:
        raise ValueError(f"no corpus of '{language.code}' is in {place}: " + "; ".join(f"{m.name}: {m.advice}" for m in material.missing))
    return corpora


def script_variables(loaded: Loaded, language: Language) -> dict[str, str]:
    """What importers.sh and prepare_lm.sh see: params.sh, and all settings as they were resolved."""
    file = dotenv_values(loaded.settings.data_dir / DEFAULTS_FILE)
    own = {k: os.environ.get(k) or file.get(k) or v for k, v in languages.variables(language.folder / "params.sh").items()}
    settings = {k.upper(): "" if v is None else str(int(v) if isinstance(v, bool) else v) for k, v in loaded.settings.model_dump().items()}
    return own | settings


def _of_files(s: SpeechSettings, material: Material) -> list[Corpus]:
    """All files, each a corpus of its own; the use is the setting that names it. Of corpora with official splits, that split."""
    found: dict[str, list[Utterance]] = {}
    for use in USES:
        for name in (n.strip() for n in getattr(s, f"{use}_files").split(",") if n.strip()):
            kind, path = readers.place_of(name)
            options = {"duplicate_sentence_count": str(s.duplicate_sentence_count)} if kind == "common_voice" else {}
            given = list(readers.read(kind, path, options))
            wanted = "dev" if use == "metrics" else use
            if any(u.split == wanted for u in given):
                given = [u for u in given if u.split == wanted]
            elif kind not in FILES and any(u.split for u in given):
                raise ValueError(f"{use.upper()}_FILES: {name} has no official {wanted} set; it has {', '.join(sorted({u.split for u in given}))}")
            title = kind if kind not in FILES else path.stem
            if kind not in FILES:
                material.reader_of[title] = kind
            if not given:
                raise ValueError(f"{use.upper()}_FILES: {name} holds no clips")
            found.setdefault(f"{use}:{title}", []).extend(replace(u, split=use) for u in given)
    if not any(name.startswith("train:") for name in found):
        raise ValueError("nothing to train on: give TRAIN_FILES (CSV with wav_filename and transcript), or MODEL_LANGUAGE")
    return [Corpus(name, tuple(utterances), shared=True) for name, utterances in found.items()]


def _as_given(corpora: Sequence[Corpus], dev_share: float) -> Split:
    """Files in the use that they were given for. Without dev files `dev_share` of the speakers (of the clips, where speakers are unknown)
    is held out of the training set: the same whatever the order.
    """
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
        train, of = split.of("train"), "the speakers"
        places = [share(u.speaker or u.path) for u in train]
        limit = max(dev_share, min(places, default=0.0))  # one of them at least
        chosen = {id(u) for u, place in zip(train, places, strict=True) if place <= limit}
        if len(chosen) >= len(train) / 3:  # a few speakers only
            chosen, of = {id(u) for u in train[:: round(1 / dev_share)]}, "the clips"
        split.sets["dev"] = {"held_out": [u for u in train if id(u) in chosen]}
        split.sets["train"] = {name: kept for name, found in split.sets["train"].items() if (kept := [u for u in found if id(u) not in chosen])}
        log.info("no DEV_FILES: %d of %d clips (%g of %s) are held out of training", len(chosen), len(train), dev_share, of)
    return split


def _tell_leaks(split: Split) -> None:
    train = split.of("train")
    speakers, sentences = {u.speaker for u in train if u.speaker}, {u.transcript for u in train}
    clips = {u.clip for u in train}
    for use in ("dev", "test"):
        same = sum(u.clip in clips for u in split.of(use))
        both = speakers & {u.speaker for u in split.of(use)}
        if same:
            log.warning("%s: %d of its %d clips are also trained on: its error rate tells nothing of other speech", use, same, len(split.of(use)))
        elif both:
            log.warning("%s: %d of its speakers are also trained on: its error rate will flatter", use, len(both))
        said = [u.transcript for u in split.of(use)]
        known = sum(text in sentences for text in said)
        if known:
            log.info("%s: %d of %d sentences are also in the training set", use, known, len(said))


def _limited(by_name: dict[str, list[Utterance]], limit: int) -> dict[str, list[Utterance]]:
    """The first clips, from all corpora in turn."""
    found: dict[str, list[Utterance]] = {name: [] for name in by_name}
    for place in range(limit):
        for name, utterances in by_name.items():
            if place < len(utterances) and sum(map(len, found.values())) < limit:
                found[name].append(utterances[place])
    return {name: kept for name, kept in found.items() if kept}


def _find_texts(loaded: Loaded, steps: Steps, material: Material) -> None:
    """Texts of the language model, with keys that change with them. Raises ValueError, LanguageError, CorpusError."""
    s: SpeechSettings = loaded.settings
    if s.lm_text:
        names = [s.lm_text] if Path(s.lm_text).exists() else filter(None, map(str.strip, s.lm_text.split(",")))
        lines = [_counted(name) for name in names]
    else:
        assert material.language is not None
        lines = languages.told_lines(material.language.folder / "prepare_lm.sh", script_variables(loaded, material.language))
    for line in {line.name: line for line in lines}.values():  # each once, also of a script
        times = _times(line)
        if line.name == languages.TRANSCRIPTS:
            material.texts.append(line.name)
            material.times |= {line.name: times} if times > 1 else {}
            material.text_keys.append(utterance_key(material.split.of("train")))
            continue
        if s.lm_text and Path(line.name).exists():
            found: list[Path] | sources.Missing = [Path(line.name)]
        else:
            found = sources.locate("text", (line.name, *line.places), line.options | {"take": "all"}, s.data_dir / "sources", s.download)
        if isinstance(found, sources.Missing):
            if s.lm_text:
                raise ValueError(f"LM_TEXT: {line.name}: no such file")
            material.missing.append(found)
            log.info("text of the language model not there: %s", found.advice)
            continue
        for path in found:
            text = sources.unpacked(steps, "text", [path], "") if sources.is_archive(path) else path
            material.texts.append(text)
            material.times |= {text: times} if times > 1 else {}
            files = [path] if path.is_file() else sorted(path.rglob("*.txt*"))
            material.text_keys += [sources.checksum(file, steps.work / "checksums.json") for file in files]
    if not material.texts:
        log.warning("no text for the language model: no scorer is made")


def _counted(name: str) -> Line:
    """An entry of LM_TEXT: a text, or text*times."""
    counted = None if Path(name).exists() else re.fullmatch(r"(.+)\*(\d+)", name)
    return Line(counted[1], (), {"times": counted[2]}) if counted else Line(name, (), {})


def _times(line: Line) -> int:
    """How often the sentences of a text count."""
    times = line.options.get("times", "1")
    if not times.isdecimal() or not 1 <= int(times) <= MOST_TIMES:
        raise ValueError(f"text of the language model: {line.name}: '{times}' times is no whole number from 1 to {MOST_TIMES}")
    return int(times)


def utterance_key(utterances: Sequence[Utterance]) -> str:
    """What was said, in which files, of what size and time."""
    total = hashlib.sha256()
    for u in utterances:
        try:
            told = os.stat(u.path)
            size = f"{told.st_size} {told.st_mtime_ns}"
        except OSError:
            size = "none"
        total.update(f"{u.path}\0{size}\0{u.transcript}\0{u.speaker}\0{u.start}\0{u.end}\0{u.channel}\n".encode())
    return total.hexdigest()[:16]


def tell(material: Material, sets: Mapping[str, Mapping[str, Path]], features: Features, rejected: Path) -> None:
    """Counts and hours of every set, and why clips were set aside, with an example each; all of them in the file `rejected`."""
    aside: Counter[str] = Counter()
    example: dict[str, str] = {}
    for path, _, reason, transcript in material.rejected_rows():
        aside[reason] += 1
        example.setdefault(reason, f"{Path(path).name} '{transcript[:40]}'")
    for use, by_name in sets.items():
        for name, folder in by_name.items():
            mels = preparation.Mels(folder)
            log.info("%s %s: %d of %d clips, %.2f h", use, name, len(mels), len(material.split.sets[use][name]), mels.hours(features))
            for path, reason, transcript in preparation.rejected(folder):
                short = preparation.short_reason(reason)
                aside[short] += 1
                example.setdefault(short, f"{Path(path).name} '{transcript[:40]}'" + ("" if short == reason else f" ({reason})"))
    for reason, many in aside.most_common():
        log.warning("%d set aside: %s, such as %s", many, reason, example[reason])
    preparation.join_rejected([folder for by_name in sets.values() for folder in by_name.values()], material.rejected_rows(), rejected)
    if aside:
        log.warning("%d set aside in all: %s", sum(aside.values()), rejected)
    for use in sets:
        if not any(len(preparation.Mels(folder)) for folder in sets[use].values()):
            raise ValueError(f"{use}: no clip can be used; the reasons are above")
