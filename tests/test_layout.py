"""The house as CONTRIBUTING.md draws it, read from the files: floors, rooms of an operation, who prints, sizes."""

import ast
import re
import sys
import tomllib
from collections.abc import Callable, Iterator
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[1]

# Ground first. A module imports from lower floors and from its own package; names on one line are separate rooms.
FLOORS = [
    {"kernels"},
    {"datasets"},
    {"models"},
    {"teachers"},
    {"methods"},
    {"evaluation"},
    {"training"},
    {"config"},  # the one top-level module with a floor: it composes the settings of all rooms below
    {"experiments"},
    {"reports", "serving"},
    {"commands"},
]
BASE, ROOF = -1, len(FLOORS)  # other rcekd/*.py stand on the ground; rcekd/__init__.py, the public page, sees all
PRINTING_MODULE = "rcekd.commands.console"
FILE_LINES, FUNCTION_LINES = 450, 60
OPERATION_FILES = [
    "csrc/include/rcekd/{op}.h",
    "csrc/cpu/{op}.cpp",
    "rcekd/kernels/{op}.py",
    "rcekd/kernels/reference/{op}.py",
    "tests/kernels/test_{op}.py",
    "benchmarks/bench_{op}.py",
]


def sources(*patterns: str) -> list[Path]:
    """The project's own files that match, relative to the root; what the build made is left out."""
    found = (path for pattern in patterns for path in ROOT.glob(pattern))
    return sorted(path.relative_to(ROOT) for path in found if path.name != "_native.cpp")


class Module(NamedTuple):
    """A parsed module; `package` is what its relative imports start from."""

    name: str
    package: str
    tree: ast.Module


def read_module(path: Path) -> Module:
    """rcekd/kernels/csr.py as the module rcekd.kernels.csr of the package rcekd.kernels."""
    package = ".".join(path.parent.parts)
    name = package if path.stem == "__init__" else ".".join(path.with_suffix("").parts)
    return Module(name, package, ast.parse((ROOT / path).read_text()))


def top_level_modules() -> set[str]:
    """The modules directly in rcekd/ that are no package: errors, settings, …"""
    return {path.stem for path in sources("rcekd/*.py")} - {"__init__"}


def imports(module: Module) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of every import, however deep; `from a import b` gives a.b, relative ones are resolved."""
    parents = module.package.split(".")
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = parents[: len(parents) - node.level + 1] if node.level else []
            origin = ".".join([*above, *([node.module] if node.module else [])])
            yield from ((node.lineno, f"{origin}.{alias.name}") for alias in node.names)


def floor(name: str) -> int:
    """The floor of a dotted name inside rcekd."""
    room = name.split(".")[1] if "." in name else ""
    ground = room in top_level_modules() or (room.startswith("__") and room.endswith("__"))
    return next((level for level, rooms in enumerate(FLOORS) if room in rooms), BASE if ground else ROOF)


def upward_imports(module: Module) -> list[str]:
    """Imports that do not come from below."""
    name = module.name
    if name == "rcekd":
        return []
    return [
        f"{name}:{line} imports {target}"
        for line, target in imports(module)
        if target.split(".")[0] == "rcekd"
        and target.split(".")[:2] != name.split(".")[:2]
        and floor(target) >= max(floor(name), BASE + 1)
    ]


def printing(module: Module) -> list[str]:
    """Places that write to the terminal."""
    found = [
        f"{module.name}:{line} imports {target}"
        for line, target in imports(module)
        if target in {"rich.print", "rich.console", "rich.console.Console", "rich.get_console"}
    ]
    speaking = {"print", "typer.echo", "typer.secho", "sys.stdout.write", "sys.stderr.write"}
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in speaking:
            found.append(f"{module.name}:{node.lineno} calls {ast.unparse(node.func)}")
    return found


def cuda_calls(module: Module) -> list[str]:
    """`x.cuda()`: a device chosen by a library module; it is to follow its inputs."""
    return [
        f"{module.name}:{node.lineno} calls .cuda()"
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "cuda"
    ]


@cache
def declared_packages() -> set[str]:
    """Top-level packages that the dependencies in pyproject.toml provide, and what is always there."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = {re.split(r"[\s<>=!~;\[]", entry)[0].lower() for entry in project["dependencies"]}
    provided = packages_distributions().items()
    ours = {package for package, makers in provided if declared & {maker.lower() for maker in makers}}
    return ours | {"rcekd"} | sys.stdlib_module_names


def undeclared_imports(module: Module) -> list[str]:
    """Imports of packages that only happen to be installed."""
    return [
        f"{module.name}:{line} imports {target}"
        for line, target in imports(module)
        if target.split(".")[0] not in declared_packages()
    ]


def texts_by_locale(module: Module) -> list[str]:
    """`path.read_text()`, and writing, without an encoding: another text where the locale is no UTF-8."""
    return [
        f"{module.name}:{node.lineno} calls .{node.func.attr}() without an encoding"
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in {"read_text", "write_text"}
        and len(node.args) < (1 if node.func.attr == "read_text" else 2)
        and "encoding" not in {keyword.arg for keyword in node.keywords}
    ]


def long_functions(module: Module) -> list[str]:
    """Functions longer than the house allows, decorators not counted."""
    return [
        f"{module.name}:{node.lineno} {node.name} has {node.end_lineno - node.lineno + 1} lines"
        for node in ast.walk(module.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno >= FUNCTION_LINES
    ]


Check = Callable[[Module], list[str]]


def offences(check: Check, *patterns: str, but: str = "") -> list[str]:
    """What `check` finds in the files that match, the module `but` excepted."""
    modules = map(read_module, sources(*patterns))
    return [offence for module in modules if module.name != but for offence in check(module)]


def operations(definitions: str) -> list[str]:
    """The names csrc/cpu/ops.def registers."""
    return re.findall(r"^RCEKD_OP\((\w+),", definitions, flags=re.MULTILINE)


def missing_files(op: str, root: Path) -> list[str]:
    """The rooms of operation `op` that are empty."""
    return [name for pattern in OPERATION_FILES if not (root / (name := pattern.format(op=op))).is_file()]


def test_every_package_has_a_floor() -> None:
    packages = {path.parent.name for path in sources("rcekd/*/__init__.py")}
    assert packages <= set().union(*FLOORS)


@pytest.mark.parametrize("check", [upward_imports, cuda_calls, undeclared_imports, texts_by_locale])
def test_library(check: Check) -> None:
    assert offences(check, "rcekd/**/*.py") == []


def test_only_the_console_prints() -> None:
    assert offences(printing, "rcekd/**/*.py", but=PRINTING_MODULE) == []


def test_nothing_of_a_merge_is_left() -> None:
    rooms = ("benchmarks", "csrc", "data", "docs", "rcekd", "tests")
    kinds = ("py", "pyi", "pyx", "pxi", "h", "cpp", "cu", "def", "md", "yaml", "toml")
    files = sources("*.md", "*.py", "*.toml", "Makefile", *(f"{room}/**/*.{kind}" for room in rooms for kind in kinds))
    marks = re.compile(r"^(<{7}|={7}|>{7})( |$)", flags=re.MULTILINE)
    assert [str(path) for path in files if marks.search((ROOT / path).read_text(encoding="utf-8"))] == []


def test_functions_are_short() -> None:
    assert offences(long_functions, "rcekd/**/*.py", "tests/**/*.py", "benchmarks/**/*.py", "*.py") == []


def test_files_are_short() -> None:
    files = sources("rcekd/**/*.py", "rcekd/**/*.pyx", "csrc/**/*.h", "csrc/**/*.cpp", "csrc/**/*.cu", "tests/**/*.py")
    sizes = {str(path): len((ROOT / path).read_text().splitlines()) for path in files}
    assert {name: size for name, size in sizes.items() if size > FILE_LINES} == {}


def test_every_operation_has_all_its_files() -> None:
    ops = operations((ROOT / "csrc/cpu/ops.def").read_text())
    assert {op: missing for op in ops if (missing := missing_files(op, ROOT))} == {}


def test_every_kernel_source_is_registered() -> None:
    ops = operations((ROOT / "csrc/cpu/ops.def").read_text())
    assert sorted(path.stem for path in sources("csrc/cpu/*.cpp")) == sorted([*ops, "dispatch"])


# --- the checks can fail ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "name", "package"),
    [
        ("from rcekd.models import mf", "rcekd.datasets.readers", "rcekd.datasets"),
        ("from rcekd import training", "rcekd.kernels.csr", "rcekd.kernels"),
        ("import rcekd.commands", "rcekd.training.loop", "rcekd.training"),
        ("from rcekd import train", "rcekd.training.loop", "rcekd.training"),
        ("from ..methods.base import Method", "rcekd.models.mf", "rcekd.models"),
        ("from .. import methods", "rcekd.models", "rcekd.models"),
        ("def f():\n    import rcekd.kernels", "rcekd.errors", "rcekd"),
        ("from .kernels import topk", "rcekd.errors", "rcekd"),
        ("from rcekd.reports import tables", "rcekd.serving.export", "rcekd.serving"),
        ("from rcekd.config import RunSettings", "rcekd.training.loop", "rcekd.training"),
    ],
)
def test_an_upward_import_is_seen(line: str, name: str, package: str) -> None:
    assert len(upward_imports(Module(name, package, ast.parse(line)))) == 1


@pytest.mark.parametrize(
    ("line", "name", "package"),
    [
        ("from rcekd.kernels import csr", "rcekd.datasets.readers", "rcekd.datasets"),
        ("from rcekd.errors import InputError", "rcekd.kernels.csr", "rcekd.kernels"),
        ("from rcekd import __version__", "rcekd.training.loop", "rcekd.training"),
        ("from . import base", "rcekd.models.mf", "rcekd.models"),
        ("from .errors import InputError", "rcekd.settings", "rcekd"),
        ("from ..kernels import csr", "rcekd.models.mf", "rcekd.models"),
        ("import rcekdlike.training", "rcekd.kernels.csr", "rcekd.kernels"),
        ("from rcekd.training import train", "rcekd", "rcekd"),
    ],
)
def test_an_import_from_below_is_welcome(line: str, name: str, package: str) -> None:
    assert upward_imports(Module(name, package, ast.parse(line))) == []


@pytest.mark.parametrize(
    ("check", "line"),
    [
        (printing, "print('here')"),
        (printing, "from rich.console import Console"),
        (printing, "import typer\ntyper.echo('here')"),
        (cuda_calls, "model.to('cpu').cuda()"),
        (undeclared_imports, "def f():\n    import pandas"),
        (texts_by_locale, "json.loads(file.read_text())"),
        (texts_by_locale, "file.write_text(text)"),
        (long_functions, "def f():\n" + "    pass\n" * FUNCTION_LINES),
    ],
)
def test_an_offence_is_seen(check: Check, line: str) -> None:
    assert len(check(Module("rcekd.models.mf", "rcekd.models", ast.parse(line)))) == 1


def test_an_operation_without_its_files_is_seen(tmp_path: Path) -> None:
    (op,) = operations("// RCEKD_OP(name, argument struct)\nRCEKD_OP(walk, rcekd_walk_args)\n")
    header = tmp_path / "csrc/include/rcekd/walk.h"
    header.parent.mkdir(parents=True)
    header.touch()
    assert missing_files(op, tmp_path) == [pattern.format(op="walk") for pattern in OPERATION_FILES[1:]]
