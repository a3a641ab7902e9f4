"""An experiment file: datasets × teacher–student pairs × methods × variants × seeds, as cells."""

import re
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from pydantic import Field, StrictInt, ValidationError, field_validator, model_validator

from rcekd.config import RunSettings, Values, merge, read_config, resolve
from rcekd.datasets.places import at_home
from rcekd.errors import InputError, nearest
from rcekd.evaluation.ranking import METRICS
from rcekd.experiments.identity import as_before, digest, renewed
from rcekd.experiments.layers import lasting, nested, with_preset
from rcekd.settings import Settings

TEACHER = "teacher"
"""What stands for a method in the label of a cell that is the teacher itself."""

READY = "presets/experiments"

FIGURES = ("methods", "ablation", "ranks", "train-ndcg", "sensitivity", "overlap", "histogram")
"""The kinds of figure that an experiment may ask for; rcekd/reports/figures/ has a file for each."""
OV_TABLE = "ov"
"""Stands among the figures for a table: the overlap of A with the closed set (the paper's Table 7)."""


# What a cell's labels say, and the key of the file that says it.
LABELLED = {
    "dataset": "datasets",
    "seed": "seeds",
    "teacher.model": "pairs",
    "student.model": "pairs",
    "method.name": "methods",
}


def _not_labelled(values: dict[str, Any]) -> dict[str, Any]:
    """ValueError where settings by dotted key would change what a cell's labels say, which they cannot."""
    whole = nested(values)
    for key, place in LABELLED.items():
        room, _, name = key.rpartition(".")
        inner = whole.get(room, {}) if room else whole
        if isinstance(inner, dict) and name in inner:
            raise ValueError(f"{key} is what `{place}` of the experiment says; leave it out here")
    return values


class Choice(Settings):
    """A method, or a variant of all cells: settings under a label."""

    label: str
    method: str | None = Field(default=None, description="None: the label is the method's name")
    set: dict[str, Any] = Field(default_factory=dict, description="dotted keys, e.g. {method.beta: 5}")

    _check_set = field_validator("set")(_not_labelled)


def _metric(name: str) -> str:
    """ValueError where no table has such a column."""
    if name not in METRICS:
        raise ValueError(f"{name!r} is no metric{nearest(name, METRICS)}")
    return name


class PaperFigure(Settings):
    """A number of the paper, to stand beside ours."""

    dataset: str
    pair: str
    method: str
    metric: str
    value: float
    variant: str = ""
    source: str = ""


class PaperTable(Settings):
    """A table of the paper, row by row as it is printed there."""

    source: str
    datasets: list[str]
    metrics: list[str]
    values: dict[str, dict[str, list[float]]] = Field(
        description="pair → method → numbers: every metric of the first dataset, then of the next"
    )

    @model_validator(mode="after")
    def _complete(self) -> "PaperTable":
        width = len(self.datasets) * len(self.metrics)
        for pair, rows in self.values.items():
            for method, numbers in rows.items():
                if len(numbers) != width:
                    raise ValueError(f"values.{pair}.{method}: expected {width} numbers, found {len(numbers)}")
        return self

    def figures(self) -> Iterator[PaperFigure]:
        """Its numbers one by one."""
        places = [(dataset, metric) for dataset in self.datasets for metric in self.metrics]
        for pair, rows in self.values.items():
            for method, numbers in rows.items():
                for (dataset, metric), value in zip(places, numbers, strict=True):
                    yield PaperFigure(
                        dataset=dataset, pair=pair, method=method, metric=metric, value=value, source=self.source
                    )


class Grid(Settings):
    """What an experiment file may say; a scale says anew what it makes smaller."""

    title: str = ""
    note: str = ""
    datasets: list[str]
    pairs: list[str] = Field(default=["mf-mf"])
    methods: list[Choice]
    variants: list[Choice] = Field(default=[Choice(label="")])
    seeds: list[StrictInt]
    set: dict[str, Any] = Field(default_factory=dict, description="settings of every cell, by dotted key")
    teachers: bool = Field(default=True, description="whether the teachers stand in the table too")
    keep_trajectory: bool = Field(
        default=False, description="whether distilled students are kept at moments of their training, for analyze"
    )
    paper: list[PaperFigure] = Field(default=[])
    paper_tables: list[PaperTable] = Field(default=[], description="the same, whole tables at a time")
    figures: list[str] = Field(default=[], description="figures that `rcekd report` draws of it")
    metric: str | None = Field(default=None, description="what the report tests and draws; None: ndcg@10")
    against: str | None = Field(default=None, description="the method that the report tests; None: rcekd")

    def paper_figures(self) -> list[PaperFigure]:
        """Every number of the paper that stands beside ours."""
        return [*self.paper, *(figure for table in self.paper_tables for figure in table.figures())]

    _check_set = field_validator("set")(_not_labelled)

    @field_validator("methods", "variants", mode="before")
    @classmethod
    def _names(cls, value: Any) -> Any:
        """A bare name is short for a choice without settings."""
        return [{"label": v} if isinstance(v, str) else v for v in value] if isinstance(value, list) else value

    @field_validator("variants")
    @classmethod
    def _of_all_methods(cls, variants: list[Choice]) -> list[Choice]:
        for variant in variants:
            if variant.method is not None:
                raise ValueError(
                    f"{variant.label!r}: a variant is of all methods; put {variant.method} under `methods`"
                )
        return variants

    @field_validator("methods")
    @classmethod
    def _not_the_teacher(cls, methods: list[Choice]) -> list[Choice]:
        if any(method.label == TEACHER for method in methods):
            raise ValueError(f"the label {TEACHER!r} is that of the teacher's own row; give the method another")
        return methods

    @field_validator("pairs")
    @classmethod
    def _pairs(cls, pairs: list[str]) -> list[str]:
        for pair in pairs:
            if pair.count("-") != 1:
                raise ValueError(f"{pair!r} is no pair; write TEACHER-STUDENT, e.g. mf-mf")
        return pairs

    @field_validator("figures")
    @classmethod
    def _known_figures(cls, figures: list[str]) -> list[str]:
        known = (*FIGURES, OV_TABLE)
        for figure in figures:
            if figure not in known:
                raise ValueError(f"{figure!r} is no figure{nearest(figure, known)}")
        return figures

    @field_validator("metric")
    @classmethod
    def _known_metric(cls, metric: str | None) -> str | None:
        return metric if metric is None else _metric(metric)

    @model_validator(mode="after")
    def _paper_in_columns_of_ours(self) -> "Grid":
        for figure in self.paper_figures():
            if not figure.metric.startswith("ov@"):  # Table 7's columns
                _metric(figure.metric)
        return self

    @model_validator(mode="after")
    def _against_one_of_its_methods(self) -> "Grid":
        labels = [method.label for method in self.methods]
        if self.against is not None and self.against not in labels:
            raise ValueError(f"against: {self.against!r} is no label of a method here{nearest(self.against, labels)}")
        return self

    @field_validator("datasets", "pairs", "methods", "variants", "seeds")
    @classmethod
    def _something(cls, value: list[Any]) -> list[Any]:
        if not value:
            raise ValueError("give at least one")
        labels = [getattr(entry, "label", entry) for entry in value]
        twice = [label for label in labels if labels.count(label) > 1]
        if twice:
            raise ValueError(f"{twice[0]!r} stands there twice")
        return value


class Labels(NamedTuple):
    """Where a cell stands in the tables."""

    dataset: str
    pair: str
    method: str
    variant: str
    seed: int

    def __str__(self) -> str:
        parts = [self.dataset, self.pair, self.method, *([self.variant] if self.variant else []), f"seed {self.seed}"]
        return " ".join(parts)


class Cell(NamedTuple):
    """One run of an experiment. `settings` are resolved; equal settings are one cell, whatever the labels."""

    labels: Labels
    settings: RunSettings
    keep_trajectory: bool = False

    @property
    def is_teacher(self) -> bool:
        return self.labels.method == TEACHER

    @property
    def identity(self) -> str:
        kind = TEACHER if self.is_teacher else "student"
        values = as_before(self.settings.to_values())
        if self.is_teacher:
            values["teacher"].pop("temperature", None)
            values = {key: values[key] for key in ("dataset", "data", "teacher", "eval", "seed")}
        else:
            values |= renewed(self.settings)
        return digest({"kind": f"cell of a {kind}", **values})


class Experiment(NamedTuple):
    """An experiment as it will run: its name, its grid, and the grid's values as they were written."""

    name: str
    grid: Grid
    values: Values

    def cells(self) -> Iterator[Cell]:
        """Every cell, teachers first, then seed by seed, so that an interrupted table has whole seeds."""
        grid = self.grid
        for seed in grid.seeds:
            for dataset in grid.datasets:
                for pair in grid.pairs:
                    yield from self._block(dataset, pair, seed)

    def places(self) -> Iterator[tuple[Labels, Cell]]:
        """Every place of the tables and its cell: a teacher, which is one cell, stands in each of its variants."""
        cells = list(self.cells())
        teachers = {cell.identity: cell for cell in cells if cell.is_teacher}
        told: set[Labels] = set()
        for cell in cells:
            beside = Cell(cell.labels._replace(method=TEACHER), cell.settings)
            if not cell.is_teacher and beside.identity in teachers and beside.labels not in told:
                told.add(beside.labels)
                yield beside.labels, teachers[beside.identity]
            if not cell.is_teacher:
                yield cell.labels, cell

    def lasting_values(self) -> Values:
        """The grid's values with every path made absolute: they stand for the same cells in any folder."""
        found: Values = _lasting_paths(self.values)
        return found

    def _block(self, dataset: str, pair: str, seed: int) -> Iterator[Cell]:
        told = set()
        for variant in self.grid.variants:
            place = Labels(dataset, pair, "", variant.label, seed)
            cells = [self._cell(place._replace(method=m.label), m, variant) for m in self.grid.methods]
            # A trajectory that any method needs is kept from the start.
            most = max(cells, key=lambda cell: "trajectory" in cell.settings.method.needs())
            teacher = Cell(most.labels._replace(method=TEACHER), most.settings)
            if self.grid.teachers and teacher.identity not in told:
                told.add(teacher.identity)
                yield teacher
            yield from cells

    def _cell(self, labels: Labels, method: Choice, variant: Choice) -> Cell:
        try:
            settings = _settings(labels, method, [self.grid.set, variant.set, method.set])
        except InputError as error:
            place = " ".join(filter(None, labels[:-1]))
            raise InputError(f"experiment {self.name}, {place}: {error}") from error
        return Cell(labels, settings, self.grid.keep_trajectory)


def read_experiment(word: str, scale: str | None = None) -> Experiment:
    """The experiment in a YAML file, or a ready one by its name; at a scale of its own, e.g. `small`."""
    path = Path(word)
    if path.suffix in (".yaml", ".yml") or path.is_file():
        return parse_experiment(path.stem, read_config(path), scale, str(path))
    known = ready()
    if word not in known:
        raise InputError(f"no experiment file and no ready experiment {word!r}{nearest(word, known)}")
    return parse_experiment(word, _ready_values(word), scale, word)


def ready() -> list[str]:
    """Names of the experiments that come with the package."""
    folder = resources.files("rcekd") / READY
    return sorted(entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml"))


def ready_titles() -> list[tuple[str, str, list[str]]]:
    """Name, title and scales of every experiment that comes with the package: tables, then figures, then the rest."""
    found = []
    for name in ready():
        values = _ready_values(name)
        found.append((name, str(values.get("title", "")), list(values.get("scales", {}))))
    kinds = ("table", "figure")
    return sorted(found, key=lambda entry: _reading_order(entry[0], kinds))


def _reading_order(name: str, kinds: tuple[str, ...]) -> tuple[int, int, str]:
    """table2 before table10, tables before figures, named ones last."""
    for place, kind in enumerate(kinds):
        number = name.removeprefix(kind)
        if number != name and number.isdigit():
            return place, int(number), name
    return len(kinds), 0, name


def _ready_values(name: str) -> Values:
    text = (resources.files("rcekd") / READY / f"{name}.yaml").read_text(encoding="utf-8")
    values: Values = yaml.safe_load(text)
    return values


def parse_experiment(name: str, values: Values, scale: str | None, where: str) -> Experiment:
    """An experiment from its values. InputError names the key."""
    values = dict(values)
    scales = values.pop("scales", {})
    if scale is not None:
        known = {str(key): value for key, value in scales.items()} if isinstance(scales, Mapping) else {}
        if scale not in known:
            raise InputError(f"{where}: has no scale {scale!r}{nearest(scale, known)}")
        if not isinstance(known[scale], Mapping):
            raise InputError(f"{where}: scales.{scale}: expected settings by key, e.g. `seeds: [0]`")
        values, name = merge(values, dict(known[scale])), f"{name}-{scale}"
    try:
        return Experiment(name, Grid.model_validate(values), values)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        message = first["msg"].removeprefix("Value error, ")
        told = [where, *([key] if key else []), message[0].lower() + message[1:]]
        raise InputError(": ".join(told)) from error


def _lasting_paths(value: Any, key: str = "") -> Any:
    """Plain values with the paths of datasets and of features made absolute; key: the dotted keys they stand under."""
    if isinstance(value, Mapping):
        return {name: _lasting_paths(inner, f"{key}.{name}" if key else str(name)) for name, inner in value.items()}
    if isinstance(value, list):
        return [_lasting_paths(inner, key) for inner in value]
    if isinstance(value, str) and key.rpartition(".")[2] in ("dataset", "datasets"):
        return lasting(value)
    if isinstance(value, str) and re.search(r"(^|\.)data\.features\.", key):
        return str(at_home(value).absolute())
    return value


def _settings(labels: Labels, method: Choice, assignments: list[dict[str, Any]]) -> RunSettings:
    """The settings of a cell: the preset, then the experiment's, the variant's and the method's own."""
    teacher, student = labels.pair.split("-")
    given = [(f"the experiment's {key}", nested({key: value})) for own in assignments for key, value in own.items()]
    flags: Values = {
        "dataset": labels.dataset,
        "teacher": {"model": teacher},
        "student": {"model": student},
        "method": {"name": method.method or method.label},
        "seed": labels.seed,
    }
    return resolve(with_preset(given, flags))
