"""The CUDA library's sources compiled for the host with csrc/emulator, in build/emulated, what changed only."""

import fcntl
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "build/emulated"
FLAGS = ["-std=c++17", "-O1", "-DRCEKD_EMULATED", "-ffp-contract=off", "-fno-math-errno", "-fPIC", "-Wall"]
INCLUDE = [f"-I{ROOT / part}" for part in ("csrc/include", "csrc/cuda", "csrc/emulator")]


def library() -> Path | None:
    """The emulated library's file; None where there is no C++ compiler."""
    compiler = shutil.which("g++") or shutil.which("c++")
    if compiler is None:
        return None
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / "lock").open("w") as lock:  # test processes side by side share the folder
        fcntl.flock(lock, fcntl.LOCK_EX)
        return _build(compiler)


def _build(compiler: str) -> Path:
    sources = sorted((ROOT / "csrc/cuda").glob("*.cu"))
    shared = [path for path in (ROOT / "csrc").rglob("*") if path.suffix in {".h", ".def"}]
    newest = max(path.stat().st_mtime for path in [*shared, Path(__file__)])
    made = FOLDER / "libemulated.so"

    def compile_one(source: Path) -> Path:
        kept = FOLDER / f"{source.stem}.o"
        if not kept.exists() or kept.stat().st_mtime < max(newest, source.stat().st_mtime):
            command = [compiler, *FLAGS, *INCLUDE, "-x", "c++", "-c", str(source), "-o", str(kept)]
            subprocess.run(command, check=True)
        return kept

    with ThreadPoolExecutor(2) as pool:
        objects = list(pool.map(compile_one, sources))
    if not made.exists() or made.stat().st_mtime < max(path.stat().st_mtime for path in objects):
        subprocess.run([compiler, "-shared", *map(str, objects), "-o", str(made)], check=True)
    return made
