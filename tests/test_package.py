"""What a user installs: declared and locked packages agree; the wheel, built without torch, holds what it should."""

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
NOT_SOURCE = shutil.ignore_patterns(".*", "build", "dist", "runs", "data", "*.egg-info", "*.so", "_native.cpp")


def project() -> dict[str, Any]:
    table: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return table


def normal(requirement: str) -> str:
    """The name of a requirement, as the index spells it."""
    return re.sub(r"[-_.]+", "-", re.split(r"[\s<>=!~;\[]", requirement)[0]).lower()


def test_the_changelog_knows_this_version() -> None:
    assert f"## [{project()['project']['version']}]" in (ROOT / "CHANGELOG.md").read_text()


# Half a gigabyte for one sink, whose tests watch what would be sent and skip the rest; what one benchmark is beside.
NOT_LOCKED = {"mlflow", "peers"}


def test_every_declared_dependency_is_locked() -> None:
    table = project()
    declared = [*table["project"]["dependencies"], *table["build-system"]["requires"]]
    extras = table["project"]["optional-dependencies"].items()
    declared += [entry for name, extra in extras for entry in extra if name not in NOT_LOCKED]
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    locked = [line.split("#")[0].strip() for line in lines if not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.!]*", line) for line in locked)
    assert {normal(entry) for entry in declared} - {normal(line) for line in locked} == set()


def run(*command: object, cwd: Path) -> str:
    """What a Python command printed, both streams; its failure is the test's."""
    done = subprocess.run(
        [sys.executable, *map(str, command)], cwd=cwd, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built as pip builds it (an empty environment with what [build-system] names) from the sdist alone."""
    folder = tmp_path_factory.mktemp("package")
    shutil.copytree(ROOT, folder / "tree", ignore=NOT_SOURCE)
    run("setup.py", "-q", "sdist", "-d", folder, cwd=folder / "tree")
    (sdist,) = folder.glob("*.tar.gz")
    run("-m", "pip", "--disable-pip-version-check", "wheel", "--no-deps", "-w", folder, sdist, cwd=folder)
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.mark.slow
def test_wheel_holds_the_library_and_no_more(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    expected = {str(path.relative_to(ROOT)) for path in (ROOT / "rcekd").rglob("*.py")}
    expected |= {str(path.relative_to(ROOT)) for path in (ROOT / "rcekd/presets").rglob("*.yaml")} | {"rcekd/py.typed"}
    native = [name for name in names if re.fullmatch(r"rcekd/kernels/_native\.[\w.-]+\.so", name)]
    assert len(native) == 1
    cuda = {"rcekd/kernels/_cuda.so"} if shutil.which("nvcc") else set()
    assert {name for name in names if ".dist-info/" not in name} == expected | cuda | set(native)
    assert any(name.endswith("/licenses/LICENSE") for name in names)


@pytest.mark.slow
def test_native_core_of_the_wheel_loads_without_torch(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path)
    (native,) = tmp_path.glob("rcekd/kernels/_native*.so")
    load = (
        "import sys; from importlib.util import module_from_spec, spec_from_file_location\n"
        f"spec = spec_from_file_location('rcekd.kernels._native', {str(native)!r})\n"
        "native = module_from_spec(spec); spec.loader.exec_module(native)\n"
        "print(native.isa(), native.set_isa('scalar'), 'torch' in sys.modules)"
    )
    assert run("-I", "-c", load, cwd=tmp_path).split()[1:] == ["True", "False"]
