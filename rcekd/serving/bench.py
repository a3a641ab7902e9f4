"""What serving costs: teacher and students side by side, each in a fresh process."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from rcekd.errors import InputError
from rcekd.experiments.machine import machine
from rcekd.experiments.opening import FinishedRun, open_run
from rcekd.experiments.place import Place
from rcekd.serving import index
from rcekd.serving.seen import Seen, seen_between
from rcekd.training.run_folder import RunFolder


@dataclass(frozen=True)
class Asked:
    """How to measure: length of lists, requests for one user, users in a batch, seconds of batches, thread counts."""

    top: int = 10
    requests: int = 1000
    batch: int = 1024
    seconds: float = 1.0
    threads: tuple[int, ...] = (1,)
    seen: Seen = "all"
    with_index: bool = True


def with_relatives(folders: list[Path], tell: Callable[[str], None]) -> list[Path]:
    """The runs, and before them the teacher and the student alone that a distilled student was compared with.

    A teacher that was imported as top-N lists scores nothing and cannot be served: it is left out, and `tell` told so.
    InputError for a damaged summary.
    """
    found: list[Path] = []
    for folder in folders:
        summary = _summary(folder)
        for role in ("teacher", "alone"):
            told = summary.get(role, {}).get("run_dir")
            places = [Path(told), folder.parent / Path(told).name] if told else []
            for place in [place for place in places if RunFolder(place).summary_file.is_file()][:1]:
                if _summary(place).get("imported", {}).get("form") == "lists":
                    tell(f"left out: {place}, a teacher imported as top-N lists, which has no vectors to score with")
                else:
                    found.append(place)
        found.append(folder)
    return list({path.resolve(): path for path in found}.values())


def _summary(folder: Path) -> dict[str, Any]:
    """A run's summary; nothing where there is none, which opening the run will say."""
    run = RunFolder(folder)
    return run.read_summary() if run.summary_file.is_file() else {}


def open_all(folders: list[Path], place: Place) -> list[FinishedRun]:
    """The runs. InputError where they are not all of the same data: their quality could not be compared."""
    runs = [open_run(folder, place) for folder in folders]
    for run in runs[1:]:
        if run.data.fingerprint != runs[0].data.fingerprint:
            raise InputError(f"{run.path}: of other data than {runs[0].path}; compare runs of the same data and split")
    return runs


def measure(run: FinishedRun, asked: Asked) -> dict[str, Any]:
    """Quality from the run's summary, and what serving it costs. InputError where the measuring process fails."""
    with tempfile.TemporaryDirectory(prefix="rcekd-serve-") as name:
        folder = Path(name)
        _lay_out(folder, run, asked)
        found = _probe(folder, run)
        index_file = folder / "index.usearch"
        index_bytes = index_file.stat().st_size if index_file.is_file() else None
    return {
        "run_dir": str(run.path),
        "label": run.label,
        "kind": run.kind,
        **{key: run.summary[key] for key in ("model", "dim", "parameters", "test")},
        "disk_bytes": run.folder.model_file.stat().st_size,
        "index_bytes": index_bytes,
        **found,
    }


def measured_on() -> dict[str, Any]:
    """The machine's stamp."""
    return {"machine": machine(), "torch": torch.__version__}


def _lay_out(folder: Path, run: FinishedRun, asked: Asked) -> None:
    """What the measuring process reads."""
    tables = {"user": run.tables.user_UD.contiguous(), "item": run.tables.item_ID.contiguous()}
    save_file(tables, folder / "factors.safetensors")
    left_out = seen_between(run.data, asked.seen, 0, run.data.n_users)
    save_file({"indptr": left_out.indptr, "item": left_out.indices}, folder / "seen.safetensors")
    if asked.with_index:
        index.build(run.tables.item_ID, torch.get_num_threads()).save(str(folder / "index.usearch"))
    wanted = {key: getattr(asked, key) for key in ("top", "requests", "batch", "seconds", "threads")}
    (folder / "request.json").write_text(json.dumps(wanted), encoding="utf-8")


def _probe(folder: Path, run: FinishedRun) -> dict[str, Any]:
    command = [sys.executable, "-m", "rcekd.serving.probe", str(folder)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode:
        said = (ended.stderr.strip().splitlines() or ["nothing said"])[-1]
        raise InputError(f"{run.path}: the measuring process ended with code {ended.returncode} ({said})")
    found: dict[str, Any] = json.loads((folder / "measured.json").read_text(encoding="utf-8"))
    return found
