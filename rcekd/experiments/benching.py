"""What a method's epoch costs beside the student alone: seconds and memory, each cell in a process of its own."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from rcekd.config import RunSettings, Values, resolve
from rcekd.devices import CPU
from rcekd.errors import InputError
from rcekd.experiments import runs
from rcekd.experiments.jobs import START
from rcekd.experiments.layers import Layer, with_preset
from rcekd.experiments.place import Place
from rcekd.experiments.plan import PaperTable
from rcekd.experiments.profiling import BRIEFLY, Length, briefly_taught, has_teacher

ALONE = "none"
# What two results must have in common for their times to mean the same.
SAME = ("machine", "device", "threads")


class BenchCell(NamedTuple):
    """What is timed, by the names it was asked for, and all its settings."""

    dataset: str
    pair: str
    method: str
    settings: RunSettings


class Measuring(NamedTuple):
    """How cells are measured: where, for how long, and further options of the processes that do it."""

    place: Place
    length: Length
    words: Sequence[str] = ()


@cache
def paper_costs() -> dict[tuple[str, str, str], dict[str, float]]:
    """The paper's Tables 2 and 3: (dataset, student's model, method) → seconds_per_epoch and gpu_gigabytes."""
    text = (resources.files("rcekd") / "presets" / "paper_costs.yaml").read_text(encoding="utf-8")
    found: dict[tuple[str, str, str], dict[str, float]] = {}
    for table in yaml.safe_load(text):
        for figure in PaperTable.model_validate(table).figures():
            found.setdefault((figure.dataset, figure.pair, figure.method), {})[figure.metric] = figure.value
    return found


def bench_cells(
    datasets: Sequence[str], pairs: Sequence[str], methods: Sequence[str], given: list[Layer], flags: Values
) -> list[BenchCell]:
    """Every combination, the student alone first in each group: it is what the others are measured by.

    given, flags: further settings, as for `with_preset`. A method's are no business of the student alone, nor are those
    of a layer that names another method. InputError for a setting that is refused.
    """
    for pair in pairs:
        if pair.count("-") != 1:
            raise InputError(f"--pairs {pair!r}: write TEACHER-STUDENT, e.g. mf-mf")
    wanted = [ALONE, *(method for method in methods if method != ALONE)]
    return [
        BenchCell(dataset, pair, method, _settings(dataset, pair, method, given, flags))
        for dataset in datasets
        for pair in pairs
        for method in wanted
    ]


def _settings(dataset: str, pair: str, method: str, given: list[Layer], flags: Values) -> RunSettings:
    teacher, student = ({"model": name} for name in pair.split("-"))
    own = [(source, _meant_for(method, values)) for source, values in given]
    named = {"dataset": dataset, "teacher": teacher, "student": student, "method": {"name": method}}
    return resolve(with_preset(own, flags | named))


def _meant_for(method: str, values: Values) -> Values:
    """The settings; of a method, only where there is one."""
    return values if method != ALONE else {room: value for room, value in values.items() if room != "method"}


def measure(cell: BenchCell, how: Measuring, teacher: Path | None = None) -> dict[str, Any]:
    """The profile of one cell, from a fresh process. teacher: the run folder of one made for it."""
    words = ["profile", "--runs-dir", str(how.place.runs_dir)]
    words += ["--epochs", str(how.length.epochs), "--warmup", str(how.length.warmup)]
    words += ["--teacher", str(teacher)] if teacher is not None else []
    found = _in_a_process_of_its_own(cell, cell.settings, [*words, *how.words])
    if teacher is not None:
        found["teacher"]["is"] = BRIEFLY
    return {"dataset": cell.dataset, "pair": cell.pair, "method": cell.method, "profile": found}


def _in_a_process_of_its_own(cell: BenchCell, settings: RunSettings, words: Sequence[str]) -> dict[str, Any]:
    """What `rcekd WORDS` prints for these settings. InputError where it refuses."""
    command = [sys.executable, "-c", START, *words, "--config", "/dev/stdin", "--json", "--quiet"]
    text = yaml.safe_dump(settings.to_values(), allow_unicode=True)
    done = subprocess.run(command, input=text, capture_output=True, encoding="utf-8", check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no word"])[-1].removeprefix("rcekd: ")
        if done.returncode == 2:
            raise InputError(last)
        raise RuntimeError(f"{cell.dataset} {cell.pair} {cell.method}: ended with code {done.returncode}: {last}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


class _Teachers:
    """Teachers that the runs folder lacks: of a few epochs, in a folder of their own, each made once for all its cells.

    They are made in another process than the methods', so that their training shows in nobody's memory.
    """

    def __init__(self, how: Measuring, folder: Path) -> None:
        self._how, self._folder = how, folder
        self._place = replace(how.place, device=CPU)  # data are read here for their identity alone

    def made_for(self, cell: BenchCell) -> Path | None:
        """The run folder of a cell's teacher; None where it needs none, or has one."""
        if cell.method == ALONE:
            return None
        data = self._place.data(cell.settings)
        if has_teacher(cell.settings, data, self._place):
            return None
        brief = briefly_taught(cell.settings)
        folder = runs.teacher_folder(brief, data, self._folder)
        if not folder.is_complete():
            if self._place.tell is not None:
                self._place.tell(
                    f"{self._place.runs_dir} has no teacher for {cell.dataset} {cell.pair} {cell.method}: one is "
                    f"{BRIEFLY} for this"
                )
            words = ["train-teacher", "--keep-trajectory", "--runs-dir", str(self._folder), *self._how.words]
            _in_a_process_of_its_own(cell, brief, words)
        return folder.path


def bench(
    cells: Sequence[BenchCell], how: Measuring, tell: Callable[[dict[str, Any]], None], earlier: Path | None
) -> dict[str, Any]:
    """Measure every cell and set it beside the student alone of its group; `earlier` results are put with the new.

    InputError where the earlier results come from another machine, another number of threads or another student.
    """
    found: list[dict[str, Any]] = list(read_results(earlier)) if earlier is not None else []
    with tempfile.TemporaryDirectory(prefix="rcekd-bench-") as scratch:
        teachers = _Teachers(how, Path(scratch))
        for cell in cells:
            entry = measure(cell, how, teachers.made_for(cell))
            check_same_machine([*found, entry])
            check_same_student([*found, entry])
            tell(entry)
            found = [old for old in found if _place(old) != _place(entry)] + [entry]
    return {
        "kind": "bench",
        "machine": found[0]["profile"]["machine"],
        "cells": [with_ratios(e, found) for e in found],
    }


def read_results(file: Path) -> Iterator[dict[str, Any]]:
    """The cells of an earlier `rcekd bench --json`. InputError for anything else."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        cells = [{key: cell[key] for key in ("dataset", "pair", "method", "profile")} for cell in content["cells"]]
    except OSError as error:
        raise InputError(f"{file}: cannot read it ({error.strerror})") from error
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{file}: not what `rcekd bench --json` prints") from error
    yield from cells


def check_same_machine(found: Sequence[dict[str, Any]]) -> None:
    """InputError where times of different machines would stand in one table."""
    for entry in found[1:]:
        for key in SAME:
            if _mark(entry, key) != _mark(found[0], key):
                here, there = (f"{_mark(e, key)!r} for {' '.join(_place(e))}" for e in (found[0], entry))
                raise InputError(f"times of different machines do not compare: {key} is {here}, {there}; measure anew")


def check_same_student(found: Sequence[dict[str, Any]]) -> None:
    """InputError where a method would be set beside a student alone of other data, another size or another batch."""
    for entry in found[1:]:
        for other in found:
            if _place(entry)[:2] == _place(other)[:2] and _student(entry) != _student(other):
                raise InputError(
                    f"{' '.join(_place(other))} and {' '.join(_place(entry))} are of unlike students, data or batch "
                    f"size ({_student(other)}, {_student(entry)}); measure them with the same settings"
                )


def _student(entry: dict[str, Any]) -> str:
    profile = entry["profile"]
    student, data = profile["student"], profile["dataset"]
    return (
        f"{student['model']} of {student['parameters']} parameters, batches of {profile['batch_size']}, "
        f"data {data['fingerprint'][:8]}"
    )


def _mark(entry: dict[str, Any], key: str) -> Any:
    """What a cell was measured on; results from before there was a choice of device are of the CPU."""
    return entry["profile"].get(key, "cpu") if key == "device" else entry["profile"][key]


def _place(entry: dict[str, Any]) -> tuple[str, str, str]:
    return entry["dataset"], entry["pair"], entry["method"]


def with_ratios(entry: dict[str, Any], found: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """A measured cell with its costs, their ratio to the student alone in `found`, and the paper's."""
    base = next((e for e in found if _place(e) == (entry["dataset"], entry["pair"], ALONE)), None)
    seconds = entry["profile"]["seconds_per_epoch"]
    ratio = seconds / base["profile"]["seconds_per_epoch"] if base is not None else None
    return {
        **entry,
        "seconds_per_epoch": seconds,
        "epoch_seconds": entry["profile"]["epoch_seconds"],
        "peak_rss_bytes": entry["profile"]["epochs_peak_rss_bytes"],
        "peak_device_bytes": entry["profile"].get("peak_device_bytes"),
        "ratio": ratio,
        "paper": _of_the_paper(entry),
    }


def _of_the_paper(entry: dict[str, Any]) -> dict[str, float] | None:
    """The paper's costs of the method, and its ratio to the paper's student alone; None where it tells none."""
    student, known = entry["pair"].partition("-")[2], paper_costs()
    costs, alone = (known.get((entry["dataset"], student, method)) for method in (entry["method"], ALONE))
    if costs is None or alone is None:
        return None
    return {**costs, "ratio": costs["seconds_per_epoch"] / alone["seconds_per_epoch"]}
