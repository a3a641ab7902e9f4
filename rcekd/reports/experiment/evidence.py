"""What an experiment folder holds, each cell at its place in the plan."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from rcekd.config import Values, read_config
from rcekd.errors import InputError
from rcekd.experiments.choosing import Only
from rcekd.experiments.plan import Experiment, Grid, Labels, PaperFigure, parse_experiment
from rcekd.reports.experiment.records import Failure, Record, read_failures, read_records


class Placed(NamedTuple):
    """A finished cell where the report shows it; a cell that several places share stands in each of them."""

    labels: Labels
    record: Record


@dataclass(frozen=True)
class Evidence:
    """Cells, failures and open places, in the order of `places`. `notes` say what was left out."""

    name: str
    title: str
    note: str
    places: Sequence[Labels]
    placed: Sequence[Placed]
    failed: Sequence[Failure]
    open: Sequence[Labels]
    paper: Sequence[PaperFigure]
    notes: Sequence[str]
    grid: Grid | None = None
    """What experiment.yaml asks for; None where there is none."""


def read_evidence(folder: Path, asked: Sequence[str] = ()) -> Evidence:
    """Read an experiment folder, or the part of it that these labels name (`Only`).

    InputError where there is no finished cell, or two for one place.
    """
    whole = _everything(folder)
    return _part(whole, asked) if asked else whole


def _everything(folder: Path) -> Evidence:
    records = read_records(folder)
    if not records:
        raise InputError(f"{folder}: no finished cell in {folder / 'cells'}; give a folder that `rcekd run` has filled")
    failures = read_failures(folder)
    file = folder / "experiment.yaml"
    experiment = _experiment(read_config(file), file) if file.is_file() else None
    planned = _resolved(experiment) if experiment is not None else []
    known = {record.id for record in records}
    if experiment is None or not any(identity in known for _, identity in planned):
        return _as_labelled(folder, experiment, records, failures)
    return _as_planned(experiment, planned, records, failures)


def _experiment(values: Values, file: Path) -> Experiment:
    return parse_experiment(str(values.pop("name", file.parent.name)), values, None, str(file))


def _resolved(experiment: Experiment) -> list[tuple[Labels, str]]:
    """Every place of the tables and its cell; empty where the plan names what this version does not know."""
    try:
        return [(labels, cell.identity) for labels, cell in experiment.places()]
    except InputError:
        return []


def _as_planned(
    experiment: Experiment, planned: list[tuple[Labels, str]], records: list[Record], failures: list[Failure]
) -> Evidence:
    by_id = {record.id: record for record in records}
    why = {failure.id: failure for failure in failures}
    placed = [Placed(labels, by_id[identity]) for labels, identity in planned if identity in by_id]
    missing = [(labels, identity) for labels, identity in planned if identity not in by_id]
    failed = [why[identity].model_copy(update={"labels": labels}) for labels, identity in missing if identity in why]
    unfinished = [labels for labels, identity in missing if identity not in why]
    strange = len(by_id.keys() - {identity for _, identity in planned})
    notes = [f"{_cells(strange)} of other settings than experiment.yaml has now left out"] if strange else []
    grid = experiment.grid
    title, places = grid.title or experiment.name, [labels for labels, _ in planned]
    return Evidence(
        experiment.name, title, grid.note, places, placed, failed, unfinished, grid.paper_figures(), notes, grid
    )


def _as_labelled(
    folder: Path, experiment: Experiment | None, records: list[Record], failures: list[Failure]
) -> Evidence:
    """Every cell where its own labels put it: for cells that no plan, or the plan of another version, has made."""
    placed = [Placed(record.labels, record) for record in records]
    _refuse_twins(placed)
    known = {record.id for record in records}
    failed = [failure for failure in failures if failure.id not in known]
    name = title = folder.resolve().name
    note, paper, notes = "", list[PaperFigure](), list[str]()
    if experiment is not None:
        grid, name = experiment.grid, experiment.name
        title, note, paper = grid.title or name, grid.note, grid.paper_figures()
        placed.sort(key=lambda entry: _order(entry.labels, experiment))
        notes = ["the cells are not those that experiment.yaml names now; they are shown as they are labelled"]
    else:
        placed.sort(key=lambda entry: entry.labels)
    places = [entry.labels for entry in placed]
    places += [failure.labels for failure in failed]  # a block of failures alone comes after the others
    grid_or_none = experiment.grid if experiment is not None else None
    return Evidence(name, title, note, places, placed, failed, [], paper, notes, grid_or_none)


def _refuse_twins(placed: Iterable[Placed]) -> None:
    seen: dict[Labels, Record] = {}
    for labels, record in placed:
        if labels in seen:
            raise InputError(
                f"{seen[labels].file} and {record.file.name} both are {labels}; move the outdated one away"
            )
        seen[labels] = record


def _order(labels: Labels, experiment: Experiment) -> tuple[tuple[int, str], ...]:
    grid = experiment.grid
    known = (grid.datasets, grid.pairs, [v.label for v in grid.variants], [m.label for m in grid.methods])
    words = (labels.dataset, labels.pair, labels.variant, labels.method)
    places = ((order.index(word) if word in order else len(order)) for order, word in zip(known, words, strict=True))
    return (*zip(places, words, strict=True), (labels.seed, ""))


def _part(whole: Evidence, asked: Sequence[str]) -> Evidence:
    only = Only(asked, whole.places)
    places = [labels for labels in whole.places if only.takes(labels)]
    placed = [entry for entry in whole.placed if only.takes(entry.labels)]
    failed = [failure for failure in whole.failed if only.takes(failure.labels)]
    words = " ".join(f"--only {label!r}" for label in asked)
    if not placed:
        why = f"; failed: {failed[0].labels}: {failed[0].error}" if failed else ""
        raise InputError(f"{words}: nothing of {_cells(len(places))} is finished{why}")
    seeds = {place.seed for place in places}
    return replace(
        whole,
        places=places,
        placed=placed,
        failed=failed,
        open=[labels for labels in whole.open if only.takes(labels)],
        paper=[figure for figure in whole.paper if any(only.takes(_beside(figure, seed)) for seed in seeds)],
        notes=[*whole.notes, f"a part of the experiment: {words}; Holm's correction is for the tests of this part"],
    )


def _beside(figure: PaperFigure, seed: int) -> Labels:
    """Where a number of the paper would stand if it were of a seed."""
    return Labels(figure.dataset, figure.pair, figure.method, figure.variant, seed)


def _cells(count: int) -> str:
    return "1 cell" if count == 1 else f"{count} cells"
