"""From weights to the folder of an engine; proved before and after training."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from trainer import __version__, tarball
from trainer.code_engine import learning, prepared
from trainer.code_engine.engine import FORMAT, LONGEST, RECORD
from trainer.code_engine.export import ctranslate, marian
from trainer.code_engine.prepared import Prepared
from trainer.code_engine.settings import CodeEngineSettings
from trainer.log import log
from trainer.models import transformer
from trainer.spoken_code.pairs import AUTO_STYLE, LANGUAGE_MODEL, PARSER
from trainer.spoken_code.vocabulary import END, UNKNOWN
from trainer.steps import write_record

ARCHIVE = "code-engine.tar.gz"
TOKENS, VERSION = "tokens.txt", "v"
FACTOR = {AUTO_STYLE: 3, LANGUAGE_MODEL: 3, PARSER: 20}  # Serenade's limits of outputs
BEAM = {AUTO_STYLE: 2, LANGUAGE_MODEL: 2, PARSER: 3}


def lexicon_name(languages: Sequence[str], model: str) -> str:
    """python_auto_style_lexicon.txt; "default" for several languages, as Serenade names them."""
    language = languages[0] if len(languages) == 1 else "default"
    return f"{language}_{model.replace('-', '_')}_lexicon.txt"


def write(
    s: CodeEngineSettings, languages: Sequence[str], ready: Path, trained: Path | None, out: Path
) -> None:
    """The folder, and code-engine.tar.gz in it. `trained`: None for an untrained model. Raises
    UserError if CTranslate2 does not agree with Keras."""
    coder = prepared.coder_in(ready, s.model)
    spec = learning.spec_of(s, len(coder.names))
    model = learning.model_of(spec, s.seed)
    if trained is not None:
        with np.load(trained / learning.WEIGHTS) as found:
            transformer.load_weights(model, dict(found))
    weights = transformer.weights_of(model)
    marian.write_model(weights, spec, out / marian.MODEL)
    if s.model == LANGUAGE_MODEL:
        shutil.copyfile(ready / prepared.PIECES, out / marian.PIECES)
        lexicon, vocabulary = "", marian.PIECES
    else:
        lexicon, vocabulary = lexicon_name(languages, s.model), marian.VOCABULARY
        shutil.copyfile(ready / prepared.LEXICON, out / lexicon)
        marian.write_vocabulary(coder.names, out / marian.VOCABULARY)
    marian.write_config(
        vocabulary, BEAM[s.model], LONGEST[s.model], FACTOR[s.model], out / marian.CONFIG
    )
    shown = (name for name in coder.names if name not in (END, UNKNOWN))
    text = "".join(f"{i} {name}\n" for i, name in enumerate(shown, 2))
    (out / TOKENS).write_text(text, encoding="utf-8")
    (out / VERSION).write_text(f"{__version__}\n", encoding="ascii")
    ctranslate.write(out, coder.names)
    agreement = ctranslate.prove(model, out, coder.names, _some(ready))
    log.info(
        "CTranslate2 and Keras: log-probabilities differ by %.1e, %d of %d best hypotheses are "
        "equal", agreement.difference, agreement.equal, agreement.inputs,
    )  # fmt: skip
    tarball.write(out, sorted(p for p in out.iterdir() if p.is_file()), out / ARCHIVE)
    files = sorted(p for p in out.rglob("*") if p.is_file())
    record = {
        "format": FORMAT,
        "voicekiln": __version__,
        "model": s.model,
        "languages": list(languages),
        "context": s.context or s.base.context,
        "lexicon": lexicon,
        "vocabulary": len(coder.names),
        "layers": [spec.encoder_layers, spec.decoder_layers],
        "parameters": int(sum(w.size for w in weights.values())),
        "agreement": vars(agreement),
        "files": {str(p.relative_to(out)): p.stat().st_size for p in files},
    }
    write_record(out / RECORD, record)


def _some(ready: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    """Pairs to compare on: held-out ones, completed from the training set."""
    found: list[tuple[np.ndarray, np.ndarray]] = []
    for split in ("dev", "train"):
        pairs = Prepared.load(ready / f"{split}.npz")
        count = min(len(pairs), ctranslate.PROVED - len(found))
        chosen = np.random.default_rng(0).permutation(len(pairs))[:count]
        found += [(pairs.input(int(i), prepared.LONGEST), pairs.output(int(i))) for i in chosen]
    return found
