"""Training on a device without one: the tests in tests/devices/pretended, on torch's spare device type (pretend.py).

They run in processes of their own. To see one test: RCEKD_PRETEND=1 pytest tests/devices/pretended -k NAME.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.devices import pretend

FOLDER = Path(__file__).with_name("pretended")
COMMANDS = FOLDER / "test_commands.py"
PARTS = {"commands": [COMMANDS], "training": sorted({*FOLDER.glob("test_*.py")} - {COMMANDS})}


@pytest.fixture(scope="session")
def _built() -> None:
    if pretend.build() is None:
        pytest.skip("no C++ compiler: there is no device to pretend")


@pytest.mark.usefixtures("_built")
@pytest.mark.parametrize("part", PARTS)
def test_on_the_pretend_device(part: str) -> None:
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *map(str, PARTS[part])]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(
        words, env={**kept, "RCEKD_PRETEND": "1"}, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"\b[1-9]\d* passed", done.stdout), done.stdout
