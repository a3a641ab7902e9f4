"""Experiment files: which cells they stand for, and what is refused."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from rcekd.config import Values
from rcekd.errors import InputError
from rcekd.experiments.cells import CellFolder
from rcekd.experiments.plan import parse_experiment, read_experiment, ready
from rcekd.models import MODELS

GRID: Values = {
    "datasets": ["synthetic"],
    "methods": ["none", {"label": "plain", "method": "ce", "set": {"method.K": 10}}, "rcekd"],
    "variants": ["", {"label": "thin", "set": {"student.dim": 5}}],
    "seeds": [0, 1],
    "set": {"teacher.dim": 8},
    "scales": {"small": {"seeds": [4], "set": {"train.epochs": 2}}},
}


def experiment(**changes: Any) -> Any:
    return parse_experiment("mine", {**GRID, **changes}, None, "mine.yaml")


def test_every_combination_is_a_cell_and_a_teacher_stands_once() -> None:
    cells = list(experiment().cells())
    labels = [cell.labels for cell in cells]
    assert len(cells) == 2 * (1 + 2 * 3)
    assert [label.method for label in labels[:4]] == ["teacher", "none", "plain", "rcekd"]
    assert len({cell.identity for cell in cells}) == len(cells)
    assert {cell.settings.teacher.backbone.model_dump()["dim"] for cell in cells} == {8}
    thin = [cell for cell in cells if cell.labels.variant == "thin"]
    assert {cell.settings.student.model_dump()["dim"] for cell in thin} == {5}


def test_seeds_then_datasets_then_pairs_and_the_teachers_where_they_are_wanted() -> None:
    places: Values = {"datasets": ["ml-100k", "synthetic"], "pairs": ["lightgcn-mf", "mf-mf"], "variants": [""]}
    cells = list(experiment(**places, methods=["none"], teachers=False).cells())
    assert [str(cell.labels) for cell in cells] == [
        f"{dataset} {pair} none seed {seed}"
        for seed in (0, 1)
        for dataset in places["datasets"]
        for pair in places["pairs"]
    ]
    first = cells[0].settings
    assert (first.teacher.backbone.model, first.student.model) == ("lightgcn", "mf")


def test_a_methods_own_settings_win_over_a_variants_and_these_over_the_experiments() -> None:
    sets = {"train.epochs": 1, "train.batch_size": 1, "train.patience": 1}
    variant = {"label": "v", "set": {"train.batch_size": 2, "train.patience": 2}}
    method = {"label": "ce", "set": {"train.patience": 3}}
    (cell,) = experiment(set=sets, variants=[variant], methods=[method], seeds=[0], teachers=False).cells()
    train = cell.settings.train
    assert (train.epochs, train.batch_size, train.patience) == (1, 2, 3)
    assert str(cell.labels) == "synthetic mf-mf ce v seed 0"


@pytest.mark.parametrize(
    ("key", "value", "others"),
    [
        ("student.dim", 6, {"student"}),
        ("train.epochs", 3, {"student"}),
        ("method.K", 20, {"student"}),
        ("teacher.temperature", 2.0, {"student"}),
        ("teacher.train.epochs", 3, {"teacher", "student"}),
        ("data.valid_share", 0.2, {"teacher", "student"}),
        ("eval.mask", "train+valid", {"teacher", "student"}),
        ("teacher.train.cuda_graph", False, set()),
    ],
)
def test_a_cell_is_another_where_its_numbers_are(key: str, value: Any, others: set[str]) -> None:
    cells = [
        list(experiment(methods=[{"label": "ce"}], variants=[""], seeds=[0], set=sets).cells())
        for sets in ({}, {key: value})
    ]
    found = {
        kind for kind, one, other in zip(("teacher", "student"), *cells, strict=True) if one.identity != other.identity
    }
    assert found == others


def test_a_trajectory_is_kept_where_the_experiment_says() -> None:
    for kept in (False, True):
        cells = experiment(methods=["ce"], seeds=[0], teachers=False, keep_trajectory=kept).cells()
        assert {cell.keep_trajectory for cell in cells} == {kept}


def test_an_experiment_file_needs_no_ending(tmp_path: Path) -> None:
    file = tmp_path / "mine"
    file.write_text(yaml.safe_dump(GRID))
    assert read_experiment(str(file)).name == "mine"
    with pytest.raises(InputError, match=r"mine\.yml: cannot read"):
        read_experiment(str(tmp_path / "mine.yml"))


def test_a_label_is_not_part_of_what_a_cell_is() -> None:
    renamed = [{"label": "other", "method": "ce", "set": {"method.K": 10}}]
    (first,) = (cell for cell in experiment(seeds=[0], variants=[""]).cells() if cell.labels.method == "plain")
    (second,) = (c for c in experiment(seeds=[0], variants=[""], methods=renamed).cells() if c.labels.method == "other")
    assert first.identity == second.identity


def test_a_trajectory_that_one_method_needs_is_asked_of_the_teacher() -> None:
    cells = list(experiment(methods=["none", "hetcomp"], seeds=[0], variants=[""]).cells())
    assert cells[0].is_teacher
    assert "trajectory" in cells[0].settings.method.needs()


def test_a_scale_makes_it_smaller_under_a_name_of_its_own() -> None:
    small = parse_experiment("mine", GRID, "small", "mine.yaml")
    assert small.name == "mine-small"
    assert {cell.labels.seed for cell in small.cells()} == {4}
    assert {cell.settings.train.epochs for cell in small.cells()} == {2}
    assert {cell.settings.teacher.backbone.model_dump()["dim"] for cell in small.cells()} == {8}, "the rest stays"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"datasets": []}, "mine.yaml: datasets: give at least one"),
        ({"seeds": [1, 1]}, "mine.yaml: seeds: 1 stands there twice"),
        ({"pairs": ["mf"]}, "mine.yaml: pairs: 'mf' is no pair"),
        ({"pairs": ["mf-mf-mf"]}, "mine.yaml: pairs: 'mf-mf-mf' is no pair"),
        ({"methods": [{"label": "teacher", "method": "ce"}]}, "mine.yaml: methods: the label 'teacher' is that of"),
        ({"methods": ["ce", "teacher"]}, "mine.yaml: methods: the label 'teacher' is that of the teacher's own row"),
        ({"seedz": [1]}, "mine.yaml: seedz: extra"),
        ({"metric": "ndcg@11"}, "mine.yaml: metric: 'ndcg@11' is no metric; did you mean 'ndcg@10'"),
        ({"against": "rcedk"}, "mine.yaml: against: 'rcedk' is no label of a method here; did you mean 'rcekd'"),
        ({"against": "teacher"}, "mine.yaml: against: 'teacher' is no label of a method here"),
        ({"seeds": [True, 2]}, "mine.yaml: seeds.0: input should be a valid integer"),
        ({"variants": ["", {"label": "v", "method": "de"}]}, "mine.yaml: variants: 'v': a variant is of all methods"),
        (
            {"paper": [{"dataset": "d", "pair": "mf-mf", "method": "ce", "metric": "ndgc@10", "value": 1}]},
            "mine.yaml: 'ndgc@10' is no metric; did you mean 'ndcg@10'",
        ),
        ({"methods": [{"method": "ce"}]}, "mine.yaml: methods.0.label: field required"),
        ({"set": {"seed": 7}}, "mine.yaml: set: seed is what `seeds` of the experiment says; leave it out"),
        ({"variants": [{"label": "a", "set": {"student": {"model": "lightgcn"}}}]}, "student.model is what `pairs`"),
        (
            {"methods": [{"label": "a", "set": {"method.name": "ce"}}]},
            "methods.0.set: method.name is what `methods` of",
        ),
    ],
)
def test_what_is_no_experiment_is_one_line(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        experiment(**changes)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"methods": ["rcdk"]}, "unknown method 'rcdk'"),
        ({"pairs": ["mf-mg"]}, "unknown model 'mg'"),
        ({"set": {"teacher": "lightgcn"}}, r"setting teacher \(from the experiment's teacher\): expected a group of"),
        ({"variants": [{"label": "a", "set": {"method": "de"}}]}, "expected a group of settings, e.g. method.name="),
        ({"set": {"train.epoch": 3}}, r"unknown setting 'train.epoch' \(from the experiment's train.epoch\)"),
    ],
)
def test_what_a_cell_refuses_is_one_line(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        list(experiment(**changes).cells())


def test_unknown_names() -> None:
    with pytest.raises(InputError, match="no ready experiment 'method'; did you mean 'methods'"):
        read_experiment("method")
    with pytest.raises(InputError, match="has no scale 'tiny'"):
        read_experiment("methods", "tiny")


@pytest.mark.parametrize(
    ("scales", "says"),
    [
        (None, "has no scale 'small'"),
        ({"small": None}, "scales.small: expected settings by key"),
        ({1: {}}, "known: 1"),
    ],
)
def test_an_empty_scale_is_one_line(scales: Any, says: str) -> None:
    with pytest.raises(InputError, match=says):
        parse_experiment("mine", {**GRID, "scales": scales}, "small", "mine.yaml")


def test_what_is_kept_of_an_experiment_stands_for_its_cells_in_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own.csv").write_text("user,item\n1,2\n")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    figure = {"dataset": "own.csv", "pair": "mf-mf", "method": "ce", "metric": "ndcg@10", "value": 0.1}
    bm3 = {"label": "bm3", "set": {"data.features.text": "text.npz", "train.epochs": 2}}
    nested = {"label": "deep", "set": {"data": {"features": {"text": "text.npz"}}}}
    home = {"label": "home", "set": {"data.features.text": "~/text.npz"}}
    mine = experiment(datasets=["synthetic", "own.csv"], variants=["", bm3, nested, home], paper=[figure])
    assert [(f.dataset, f.value) for f in mine.grid.paper_figures()] == [("own.csv", 0.1)]
    before = [cell.identity for cell in mine.cells()]
    folder = CellFolder(tmp_path / "mine")
    folder.create(mine)
    kept = yaml.safe_load((folder.path / "experiment.yaml").read_text())
    assert kept["datasets"] == ["synthetic", str(tmp_path / "own.csv")]
    assert kept["paper"][0]["dataset"] == str(tmp_path / "own.csv")
    monkeypatch.chdir("elsewhere")
    again = parse_experiment(kept.pop("name"), kept, None, "experiment.yaml")
    assert [cell.identity for cell in again.cells()] == before


def test_the_home_of_nobody_is_a_path_like_another(tmp_path: Path) -> None:
    """Path.expanduser raises over it; whoever reads the file says that it is not there."""
    nobodys = {"data.features.text": "~nobody-is-called-so/text.parquet"}
    folder = CellFolder(tmp_path / "mine")
    folder.create(experiment(set=nobodys))
    kept = yaml.safe_load((folder.path / "experiment.yaml").read_text())
    assert kept["set"]["data.features.text"].endswith("/~nobody-is-called-so/text.parquet")


@pytest.mark.parametrize("name", ready())
def test_every_ready_experiment_has_cells_at_every_scale(name: str) -> None:
    for scale in (None, "small"):
        experiment = read_experiment(name, scale)
        unknown = {model for pair in experiment.grid.pairs for model in pair.split("-")} - MODELS.keys()
        if unknown:
            with pytest.raises(InputError, match="unknown model"):
                list(experiment.cells())
        else:
            assert list(experiment.cells())


def test_a_table_of_the_paper_is_its_numbers_one_by_one() -> None:
    table = {
        "source": "Table 8",
        "datasets": ["a", "b"],
        "metrics": ["recall@10", "ndcg@10"],
        "values": {"mf-mf": {"ce": [1, 2, 3, 4]}},
    }
    found = experiment(paper_tables=[table]).grid.paper_figures()
    assert [(f.dataset, f.metric, f.value) for f in found] == [
        ("a", "recall@10", 1),
        ("a", "ndcg@10", 2),
        ("b", "recall@10", 3),
        ("b", "ndcg@10", 4),
    ]
    assert {(f.pair, f.method, f.variant, f.source) for f in found} == {("mf-mf", "ce", "", "Table 8")}
    table["values"] = {"mf-mf": {"ce": [1, 2, 3]}}
    with pytest.raises(InputError, match=r"paper_tables.0: values.mf-mf.ce: expected 4 numbers, found 3"):
        experiment(paper_tables=[table])


def test_figures_are_known() -> None:
    with pytest.raises(InputError, match="figures: 'rank' is no figure; did you mean 'ranks'"):
        experiment(figures=["rank"])
    for name in ready():
        assert read_experiment(name).grid.figures or name == "widths"


PRINTED = [
    ("table1", ("yelp", "hstu-mf", "rcekd", "ndcg@20"), 0.0419),
    ("table1", ("gowalla", "lightgcn-lightgcn", "tarec", "recall@10"), 0.1141),
    ("table7", ("gowalla", "lightgcn-mf", "rcekd", "ov@20"), 0.90),
    ("table8", ("citeulike", "hstu-hstu", "increasing γ", "recall@20"), 0.0603),
    ("table9", ("yelp", "mf-mf", "user-specific", "ndcg@20"), 0.0333),
    ("table10", ("gowalla", "mf-mf", "exponential", "recall@20"), 0.1525),
    ("table12", ("citeulike", "sasrec-sasrec", "hetcomp", "ndcg@10"), 0.0066),
    ("table15", ("electronics", "bm3-lightgcn", "none", "ndcg@20"), 0.083),
]
"""Read in the paper by eye, one in each table."""


@pytest.mark.parametrize(("name", "place", "value"), PRINTED)
def test_the_papers_numbers_stand_at_their_places(name: str, place: tuple[str, ...], value: float) -> None:
    figures = {(f.dataset, f.pair, f.method, f.metric): f.value for f in read_experiment(name).grid.paper_figures()}
    assert figures[place] == value


COUNTS = {"table1": 480, "table7": 45, "table8": 54, "table9": 36, "table10": 36, "table12": 240, "table15": 72}


@pytest.mark.parametrize(("name", "count"), COUNTS.items())
def test_no_number_of_a_table_is_left_out(name: str, count: int) -> None:
    assert len(read_experiment(name).grid.paper_figures()) == count
