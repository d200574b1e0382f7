"""Who may import whom; and nothing heavy before a command runs."""

import ast
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2] / "trainer"
LEAVES = {"audio", "metrics", "programs", "text"}


def imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("trainer"):
            base = node.module.split(".")[1:]
            for alias in node.names:
                yield tuple(base) if base else (alias.name,)


def test_help_imports_neither_tensorflow_nor_keras():
    code = ("import sys; from trainer.cli import cli\n"
            "try: cli.main(['wakeword', 'train', '--help'])\nexcept SystemExit: pass\n"
            "assert not {'tensorflow', 'keras', 'scipy', 'matplotlib'} & set(sys.modules), sorted(sys.modules)")
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


def test_leaves_import_nothing_of_ours():
    for name in LEAVES:
        assert not list(imports(ROOT / f"{name}.py")), name


def test_only_cli_and_pipelines_import_report_and_package():
    for path in ROOT.rglob("*.py"):
        if path.name in ("cli.py", "pipeline.py", "report.py"):
            continue
        assert not {("report",), ("package",)} & set(imports(path)), path


PRODUCTS = ("wakeword", "stt")


def test_shared_modules_know_no_product():
    allowed = {"cli.py", "machine.py"}  # the check tries the speech engines
    shared = [*ROOT.glob("*.py"), *(p for folder in ("models", "export", "readers") for p in (ROOT / folder).glob("*.py"))]
    for path in shared:
        if path.name not in allowed:
            assert not [i for i in imports(path) if i[0] in PRODUCTS], path


def test_products_do_not_know_each_other():
    for product in PRODUCTS:
        for path in (ROOT / product).rglob("*.py"):
            assert not [i for i in imports(path) if i[0] in set(PRODUCTS) - {product}], path
