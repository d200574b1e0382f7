"""The tree: who may import whom, nothing heavy before a command runs, tests mirror modules."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from trainer import PRODUCTS

ROOT = Path(__file__).parents[2] / "trainer"
TESTS = ROOT.parent / "tests"
LEAVES = ("audio", "text", "metrics", "programs", "errors", "log", "serialization")
HEAVY = "{'tensorflow', 'keras', 'jax', 'scipy', 'matplotlib'}"
MODULES = {
    ".".join(path.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in ROOT.rglob("*.py")
}


def imports(name, at_import_only=False):
    """The modules of ours that a module imports."""
    tree = ast.parse(MODULES[name].read_text())
    nodes = tree.body if at_import_only else ast.walk(tree)
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "trainer":
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield whole if whole in MODULES else node.module


# modules without a test file of their own (tests/unit/<folder>/test_<module>.py) -> what tests them
READERS = "unit/corpora/readers/test_readers.py"
LINE_STT, LINE_WAKEWORD = "lines/test_stt.py", "lines/test_wakeword.py"
LINE_SPEECH = "lines/test_speech_engine.py"
LINE_CODE, ENGINE = "lines/test_code_engine.py", "unit/code_engine/test_engine.py"
RECOGNITION = "unit/speech_engine/test_recognition.py"
KALDI = "unit/speech_engine/test_kaldi.py"
FIGURES = "unit/speech_engine/test_evaluation.py"
LINE_EXPERIMENT, DATA = "lines/test_experiment.py", "unit/data/test_data.py"
ZOO = "unit/models/speech/test_zoo.py"
SHORT = ("__init__", "__main__")
COVERED_BY = {
    "audio.noise": "unit/audio/test_augment.py",
    "audio.quality": "unit/wakeword/test_recordings.py",
    "audio.spec_augment": "unit/stt/test_learning.py",
    "clients": LINE_STT,
    "code_engine.batches": "unit/code_engine/test_prepared.py",
    "code_engine.check": "unit/test_cli.py",
    "code_engine.cli": "unit/test_cli.py",
    "code_engine.evaluation": ENGINE,
    "code_engine.export.ctranslate": ENGINE,
    "code_engine.export.marian": ENGINE,
    "code_engine.exporting": ENGINE,
    "code_engine.line": LINE_CODE,
    "code_engine.pipeline": LINE_CODE,
    "code_engine.report": LINE_CODE,
    "code_engine.serving": ENGINE,
    "code_engine.settings": LINE_CODE,
    "code_engine.translating": LINE_CODE,
    "code_engine.translation": ENGINE,
    "corpora.convert": READERS,
    "corpora.utterance": "unit/corpora/test_splits.py",
    "data.batch": DATA,
    "data.dataset": DATA,
    "data.loader": DATA,
    "data.manifest": DATA,
    "data.processor": DATA,
    "disk": "unit/test_steps.py",
    "downloads": "unit/wakeword/test_datasets.py",
    "errors": "unit/test_cli.py",
    "experiment.callbacks": LINE_EXPERIMENT,
    "experiment.check": "unit/test_cli.py",
    "experiment.cli": LINE_EXPERIMENT,
    "experiment.evaluation": LINE_EXPERIMENT,
    "experiment.folders": LINE_EXPERIMENT,
    "experiment.manifests": LINE_EXPERIMENT,
    "experiment.pipeline": LINE_EXPERIMENT,
    "experiment.provenance": LINE_EXPERIMENT,
    "experiment.report": LINE_EXPERIMENT,
    "experiment.settings": LINE_EXPERIMENT,
    "experiment.validation": LINE_EXPERIMENT,
    "log": "unit/test_programs.py",
    "models.onnx": "unit/models/speech/test_conformer_onnx.py",
    "models.inception": "unit/models/test_models.py",
    "models.mixednet": "unit/models/test_models.py",
    "models.speech.attention": ZOO,
    "models.speech.base": ZOO,
    "models.speech.conformer": ZOO,
    "models.speech.conformer_streaming": "unit/models/speech/test_conformer_onnx.py",
    "models.speech.ctc": LINE_EXPERIMENT,
    "models.speech.deepspeech2": ZOO,
    "models.speech.las": ZOO,
    "models.speech.tds": ZOO,
    "models.streaming": "unit/models/test_models.py",
    "models.zoo": "unit/experiment/test_experiment.py",
    "options": "unit/test_settings.py",
    "page": LINE_WAKEWORD,
    "record": LINE_WAKEWORD,
    "run": "unit/test_settings.py",
    "tarball": ENGINE,
    "speech_engine.acoustics.letters": RECOGNITION,
    "speech_engine.acoustics.onnx": RECOGNITION,
    "speech_engine.acoustics.pocketsphinx": RECOGNITION,
    "speech_engine.alike": FIGURES,
    "speech_engine.check": "unit/test_cli.py",
    "speech_engine.cli": "unit/test_cli.py",
    "speech_engine.engine": RECOGNITION,
    "speech_engine.graph": RECOGNITION,
    "speech_engine.hints": RECOGNITION,
    "speech_engine.acoustics.kaldi": KALDI,
    "speech_engine.kaldi.files": KALDI,
    "speech_engine.kaldi.hclg": KALDI,
    "speech_engine.kaldi.phones": KALDI,
    "speech_engine.line": LINE_SPEECH,
    "speech_engine.measuring": LINE_SPEECH,
    "speech_engine.ngrams": FIGURES,
    "speech_engine.pipeline": LINE_SPEECH,
    "speech_engine.recognizers": RECOGNITION,
    "speech_engine.report": FIGURES,
    "speech_engine.runtimes": RECOGNITION,
    "speech_engine.settings": LINE_SPEECH,
    "speech_engine.spoken": FIGURES,
    "speech_engine.transcription": RECOGNITION,
    "metrics.retrieval": ENGINE,
    "spoken_code.files": "unit/spoken_code/test_material.py",
    "spoken_code.gathering": LINE_SPEECH,
    "spoken_code.grammar": "unit/spoken_code/test_corpus.py",
    "spoken_code.languages": "unit/spoken_code/test_corpus.py",
    "spoken_code.lexer": "unit/spoken_code/test_corpus.py",
    "spoken_code.licences": "unit/spoken_code/test_material.py",
    "spoken_code.numbers": "unit/spoken_code/test_forms.py",
    "spoken_code.parallel": "unit/spoken_code/test_pairs.py",
    "spoken_code.place": "unit/spoken_code/test_pairs.py",
    "spoken_code.readers": "unit/spoken_code/test_material.py",
    "spoken_code.snippets": "unit/spoken_code/test_corpus.py",
    "spoken_code.sources": "unit/spoken_code/test_material.py",
    "spoken_code.speaking": "unit/spoken_code/test_forms.py",
    "spoken_code.vocabulary": "unit/spoken_code/test_pairs.py",
    "spoken_code.writing": "unit/spoken_code/test_forms.py",
    "stt.batches": "unit/stt/test_learning.py",
    "stt.card": LINE_STT,
    "stt.check": "unit/test_cli.py",
    "stt.checkpoints": LINE_STT,
    "stt.cli": "unit/test_cli.py",
    "stt.conformer": LINE_STT,
    "stt.copies": LINE_STT,
    "stt.forms": LINE_STT,
    "stt.released": LINE_STT,
    "stt.evaluation": LINE_STT,
    "stt.export.contract": LINE_STT,
    "stt.export.flatbuffer": LINE_STT,
    "stt.export.pbmm": LINE_STT,
    "stt.export.tflite": LINE_STT,
    "stt.line": LINE_STT,
    "stt.losses": "unit/stt/test_learning.py",
    "stt.material": "unit/stt/test_gathering.py",
    "stt.pipeline": LINE_STT,
    "stt.preparation": "unit/stt/test_learning.py",
    "stt.report": LINE_STT,
    "stt.scorers": "unit/stt/test_language_model.py",
    "stt.settings": "unit/test_settings.py",
    "stt.settings_augment": "unit/test_settings.py",
    "stt.settings_scorer": "unit/test_settings.py",
    "stt.testing": LINE_STT,
    "stt.texts": "unit/stt/test_gathering.py",
    "stt.tuning": "unit/text/test_decoder.py",
    "metrics.recognition": LINE_EXPERIMENT,
    "training.buckets": "unit/stt/test_learning.py",
    "training.ctc": "unit/stt/test_learning.py",
    "training.devices": "unit/code_engine/test_learning.py",
    "text.alphabet": "unit/text/test_rules.py",
    "text.g2p": "unit/speech_engine/test_g2p.py",
    "text.ngram": "unit/stt/test_sources.py",
    "training.callbacks": "unit/models/test_models.py",
    "training.checkpoint": "unit/models/test_models.py",
    "training.loop": "unit/models/test_models.py",
    "training.optimizers": "unit/models/test_models.py",
    "training.splicing": "unit/stt/test_splicing.py",
    "wakeword.batches": "unit/models/test_models.py",
    "wakeword.amounts": LINE_WAKEWORD,
    "wakeword.captured": LINE_WAKEWORD,
    "wakeword.clips": LINE_WAKEWORD,
    "wakeword.check": "unit/test_cli.py",
    "wakeword.cli": "unit/test_cli.py",
    "wakeword.client": "clients/test_wakeword.py",
    "wakeword.cutoff": LINE_WAKEWORD,
    "wakeword.engines.agreement": "unit/wakeword/engines/test_engines.py",
    "wakeword.engines.espeak": "unit/wakeword/engines/test_engines.py",
    "wakeword.engines.flite": "unit/wakeword/engines/test_engines.py",
    "wakeword.engines.piper": "piper/test_piper.py",
    "wakeword.engines.piper_speak": "piper/test_piper.py",
    "wakeword.evaluation": LINE_WAKEWORD,
    "wakeword.export.esphome": LINE_WAKEWORD,
    "wakeword.given": LINE_WAKEWORD,
    "wakeword.export.manifest": "clients/test_wakeword.py",
    "wakeword.inventory": LINE_WAKEWORD,
    "wakeword.export.tflite": "clients/test_wakeword.py",
    "wakeword.exporting": LINE_WAKEWORD,
    "wakeword.frames": "unit/models/test_models.py",
    "wakeword.learning": LINE_WAKEWORD,
    "wakeword.line": LINE_WAKEWORD,
    "wakeword.operating_point": LINE_WAKEWORD,
    "wakeword.pipeline": LINE_WAKEWORD,
    "wakeword.plots": LINE_WAKEWORD,
    "wakeword.preparation": LINE_WAKEWORD,
    "wakeword.report": LINE_WAKEWORD,
    "wakeword.scan": LINE_WAKEWORD,
    "wakeword.settings": "unit/test_settings.py",
    "wakeword.sources": LINE_WAKEWORD,
    "wakeword.synthesis": "unit/wakeword/engines/test_engines.py",
}


def part(module):
    """The first part below `trainer`, or empty."""
    return [*module.split("."), "", ""][1]


@pytest.mark.parametrize(
    "code",
    [
        "from trainer import wakeword, stt",
        "import trainer; trainer.stt",
        "from trainer.cli import cli\ntry: cli.main(['--help'])\nexcept SystemExit: pass",
        "from trainer.cli import cli\n"
        "try: cli.main(['wakeword', 'train', '--help'])\nexcept SystemExit: pass",
        "from trainer.cli import cli\n"
        "try: cli.main(['stt', 'train', '--help'])\nexcept SystemExit: pass",
        "from trainer.cli import cli\n"
        "try: cli.main(['speech-engine', 'package', '--help'])\nexcept SystemExit: pass",
    ],
)
def test_nothing_heavy_before_a_command_runs(code):
    code = f"import sys\n{code}\nassert not {HEAVY} & set(sys.modules), sorted(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


def test_leaves_import_leaves_only():
    for name in MODULES:
        if part(name) in LEAVES:
            assert {part(i) for i in imports(name)} <= set(LEAVES), name


def test_shared_modules_know_no_product():
    for name in MODULES:
        if part(name) not in PRODUCTS:
            assert not {part(i) for i in imports(name)} & set(PRODUCTS), name


def test_products_do_not_know_each_other():
    for name in MODULES:
        if part(name) in PRODUCTS:
            assert not {part(i) for i in imports(name)} & (set(PRODUCTS) - {part(name)}), name


def test_each_product_has_the_fixed_modules():
    for product in PRODUCTS:
        for name in ("settings", "cli", "pipeline", "check", "report"):
            assert f"trainer.{product}.{name}" in MODULES


def test_only_command_lines_import_click():
    for name, path in MODULES.items():
        if name.split(".")[-1] not in ("cli", "options"):
            assert "import click" not in path.read_text(), name


def test_only_pipelines_reports_and_command_lines_write_for_users():
    for name in MODULES:
        if name.split(".")[-1] not in ("cli", "pipeline", "plots", "report"):
            assert not {"trainer.page", "trainer.package"} & set(imports(name)), name


def test_an_installed_package_holds_all_files():
    """Folders without `__init__.py`, and data that setup.py does not name, would be missing."""
    assert {path.parent for path in ROOT.rglob("*.py")} == {
        path.parent for path in ROOT.rglob("__init__.py")
    }
    setup = (ROOT.parent / "setup.py").read_text() + (ROOT.parent / "pyproject.toml").read_text()
    for path in ROOT.rglob("*"):
        if path.is_file() and path.suffix not in (".py", ".pyc"):
            assert path.name in setup or f"*{path.suffix}" in setup, path


def test_no_circles():
    done, path = set(), []

    def visit(name):
        assert name not in path, " -> ".join([*path[path.index(name) :], name])
        if name in done:
            return
        path.append(name)
        for other in imports(name, at_import_only=True):
            if other != "trainer":
                visit(other)
        path.pop()
        done.add(name)

    for name in MODULES:
        visit(name)


def mirror(module):
    """The test file of a module."""
    *folders, name = module.split(".")[1:]
    return TESTS.joinpath("unit", *folders, f"test_{name}.py")


def reached(file):
    """The modules that a test file imports, and those that they import, at any depth."""
    found, left = set(), [file]
    while left:
        path = left.pop()
        for name in references(path) - found:
            found.add(name)
            left.append(MODULES[name])
    return found


def references(path):
    """Our modules in imports, code for another process included, or as a quoted file name."""
    text = path.read_text()
    found = {
        name
        for name, file in MODULES.items()
        if file.stem not in SHORT and (f"{name} import" in text or f'"{file.name}"' in text)
    }
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names} & set(MODULES)
    return found


def test_each_module_has_a_test_file_or_a_line_in_the_table():
    modules = {name for name, path in MODULES.items() if path.stem not in SHORT}
    alone = {
        name.removeprefix("trainer.")
        for name in modules
        if not mirror(name).exists() and not name.startswith("trainer.corpora.readers.")
    }
    assert alone == set(COVERED_BY)


def test_the_table_is_true():
    """What covers a module imports it, at some depth, or names it: "inception", "check"."""
    reach = {file: reached(TESTS / file) for file in set(COVERED_BY.values())}
    table = COVERED_BY | {
        name.removeprefix("trainer."): READERS
        for name in MODULES
        if name.startswith("trainer.corpora.readers.")
    }
    for module, file in table.items():
        named = f'"{module.rsplit(".", maxsplit=1)[-1]}"' in (TESTS / file).read_text()
        assert named or f"trainer.{module}" in reach[file], f"{file} does not reach {module}"
