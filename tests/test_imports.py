"""The layers of DESIGN: who may import whom, and how long a file and a function may be."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import seqapps

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "seqapps"
ROWS = {
    "checks": 0,
    **dict.fromkeys(("recurrent", "config", "run_folder", "fractions", "significance"), 1),
    **dict.fromkeys(("text", "series", "audio", "classification", "decoding", "training", "export", "problems"), 2),
    **dict.fromkeys(("config_files",), 2),
    "report": 3,
    **dict.fromkeys(("tasks", "gradient_figures"), 4),
    **dict.fromkeys(("comparison", "served_run", "gradients", "long_lags"), 5),
    "cli": 6,
    "apps": 7,
}
HEAVY = {"keras", "tensorflow"}
ALONE = "verify_process"  # runs where seqapps cannot be imported
# What a module may import beside the standard library and seqapps, where DESIGN says more than "row 1 and up".
THIRD_PARTY = {
    "checks": set(),
    "config": set(),
    "config_files": set(),
    ALONE: {"numpy", "tensorflow"},
    "recurrent": {"keras"},
    "recurrent.gradient_flow": {"keras", "tensorflow"},
    "recurrent.loops": {"keras", "tensorflow"},
    "recurrent.one_step": {"keras", "tensorflow"},
    "problems": {"numpy"},
}
LONGEST_FILE, LONGEST_FUNCTION = 320, 40
LONGER_FILES = {"seqapps/recurrent/stack.py": 350}

MODULES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
    if path != PACKAGE / "__init__.py"
}
SOURCES = sorted(path for folder in ("seqapps", "apps", "tests") for path in (ROOT / folder).rglob("*.py"))
every_source = pytest.mark.parametrize("path", SOURCES, ids=[str(path.relative_to(ROOT)) for path in SOURCES])


def imported(path):
    """Every module that a file imports, by name and line, also through `import_module`."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}, line {node.lineno}: a relative import hides its layer"
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            text = node.args[0].values[0] if isinstance(node.args[0], ast.JoinedStr) else node.args[0]
            if isinstance(text, ast.Constant):
                yield text.value, node.lineno


def unit(name):
    """The part of seqapps inside which files may import each other, or None outside of seqapps."""
    package, *parts = name.split(".")
    if package != "seqapps":
        return None
    return ".".join(parts[: 2 if parts[:1] == ["tasks"] else 1])


def third_party(path):
    roots = {name.split(".")[0] for name, _ in imported(path)}
    return {root for root in roots if root not in sys.stdlib_module_names and root != "seqapps"}


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_from_lower_rows(module):
    here = unit(f"seqapps.{module}")
    for name, line in imported(MODULES[module]):
        there = unit(name)
        if there and there != here and there.split(".")[0] in {*ROWS, ALONE}:
            where = f"{MODULES[module].relative_to(ROOT)}, line {line}: {name}"
            assert here != ALONE, where
            assert ROWS[there.split(".")[0]] < ROWS[here.split(".")[0]], where


def test_every_module_has_a_row():
    assert {name.split(".")[0] for name in MODULES} <= {*ROWS, ALONE}


@pytest.mark.parametrize("path", sorted((ROOT / "apps").glob("*.py")), ids=lambda path: path.name)
def test_an_app_imports_the_command_line_and_nothing_else(path):
    assert [name for name, _ in imported(path)] == ["seqapps.cli"]


@pytest.mark.parametrize("module", MODULES)
def test_third_party_packages_stay_where_they_belong(module):
    path = MODULES[module]
    allowed = THIRD_PARTY.get(module, THIRD_PARTY.get(module.split(".")[0]))
    if module.startswith("tasks.") and module.endswith(".config"):
        assert not third_party(path) & HEAVY
    elif allowed is not None:
        assert third_party(path) <= allowed


def test_the_public_names_wait_for_their_first_use():
    program = (
        "import sys, seqapps\n"
        "assert sorted(seqapps.__all__) == dir(seqapps)\n"
        "seqapps.forecasting.Config(), seqapps.sentiment.Config()\n"
        "seqapps.generation.Config(), seqapps.translation.Config(), seqapps.speech.Config()\n"
        "print(sorted({'keras', 'tensorflow', 'numpy', 'pandas'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_the_public_names_are_those_of_the_interface():
    from seqapps.comparison.comparing import compare, compare_runs
    from seqapps.recurrent.stack import RecurrentStack
    from seqapps.served_run import load
    from seqapps.tasks import forecasting, generation, sentiment, speech, translation

    assert (seqapps.RecurrentStack, seqapps.load) == (RecurrentStack, load)
    assert (seqapps.compare, seqapps.compare_runs) == (compare, compare_runs)
    tasks = {"forecasting": forecasting, "sentiment": sentiment, "generation": generation}
    tasks |= {"translation": translation, "speech": speech}
    for name, module in tasks.items():
        assert getattr(seqapps, name) is module
    assert set(seqapps.__all__) == {"RecurrentStack", "__version__", "compare", "compare_runs", "load", *tasks}
    for module, name in ((seqapps, "LSTM"), *((module, "predict") for module in tasks.values())):
        with pytest.raises(AttributeError, match=rf"\Amodule '{module.__name__}' has no attribute '{name}'\Z"):
            getattr(module, name)


@every_source
def test_a_file_fits_on_a_few_screens(path):
    limit = LONGER_FILES.get(path.relative_to(ROOT).as_posix(), LONGEST_FILE)
    assert len(path.read_text(encoding="utf-8").splitlines()) <= limit


@every_source
def test_a_function_fits_on_one_screen(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            body = node.body[1:] if ast.get_docstring(node) is not None and len(node.body) > 1 else node.body
            assert node.end_lineno - body[0].lineno < LONGEST_FUNCTION, f"{node.name}, line {node.lineno}"
