"""Figures: which are drawn, of what, and that they say where they come from."""

import json
import math
import re
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, stdev
from types import SimpleNamespace
from typing import Any

import pytest

from rcekd.errors import InputError
from rcekd.experiments.plan import FIGURES
from rcekd.reports.experiment.blocks import every_block
from rcekd.reports.experiment.document import make_document
from rcekd.reports.experiment.evidence import read_evidence
from rcekd.reports.figures import ablation, style
from rcekd.reports.figures.drawing import KINDS, draw_figures
from rcekd.reports.figures.material import Material, moment_at
from tests.reports.experiment.folders import add_cell, add_plan
from tests.reports.figures.worked import MOMENTS, add_run, moment, swept, worked

pytest.importorskip("matplotlib")
pytest.importorskip("scipy.stats")


def material(folder: Path) -> Material:
    evidence = read_evidence(folder)
    return Material(folder, evidence, every_block(evidence, "rcekd"), "ndcg@10", "rcekd")


def drawn(folder: Path, kind: str) -> Any:
    with style.styled():
        return KINDS[kind].draw(material(folder))


def lines(panel: Any) -> dict[str, list[float]]:
    return {line.get_label(): list(line.get_ydata()) for line in panel.lines}


def places(panel: Any) -> dict[str, list[float]]:
    return {line.get_label(): list(line.get_xdata()) for line in panel.lines}


def whiskers(panel: Any) -> list[float]:
    """How long each is, from end to end; a bar or a point without one has none."""
    drawn_by = [bars for container in panel.containers if hasattr(container, "lines") for bars in container.lines[2]]
    return [abs(end[1] - begin[1]) for bars in drawn_by for begin, end in bars.get_segments()]


def shown(figure: Any) -> list[Any]:
    return [panel for panel in figure.axes if panel.get_visible()]


@pytest.mark.parametrize("kind", [name for name in FIGURES if name != "sensitivity"])
def test_a_kind_is_written_three_ways_with_a_caption(kind: str, tmp_path: Path) -> None:
    folder = worked(tmp_path / "experiments" / "try", [kind], seeds=2, places=1)
    made = draw_figures(material(folder), folder / "figures")
    assert [file.name for file in made] == [f"{kind}.{ending}" for ending in ("svg", "pdf", "png")]
    assert all(file.parent == folder / "figures" and file.stat().st_size > 1000 for file in made)
    (figure,) = make_document(folder, folder / "report").figures
    for words in ("Experiment try: A try", "split random", "train items masked", "seeds 0, 1", "board"):
        assert words in figure.caption
    assert "<script" not in made[0].read_text()


def test_the_same_cells_make_the_same_bytes(tmp_path: Path) -> None:
    folder = worked(tmp_path / "experiments" / "try", ["methods", "histogram"], seeds=1, places=1)
    first = {file: file.read_bytes() for file in draw_figures(material(folder), folder / "figures")}
    assert {file: file.read_bytes() for file in draw_figures(material(folder), folder / "figures")} == first


def test_bars_are_means_with_deviations_and_the_papers_values(tmp_path: Path) -> None:
    paper = [{"dataset": "board", "pair": "mf-mf", "method": "ce", "metric": "ndcg@10", "value": 0.25}]
    folder = worked(tmp_path / "experiments" / "try", ["methods"], paper=paper)
    figure = drawn(folder, "methods")
    block = next(b for b in material(folder).blocks if (b.dataset, b.pair) == ("board", "mf-mf"))
    panel = next(p for p in shown(figure) if p.get_title() == "board, MF → MF")
    rows = [row for row in block.rows if row.name != "teacher"]
    assert [bar.get_height() for bar in panel.patches] == [row.mean("ndcg@10") for row in rows]
    assert [text.get_text() for text in panel.get_xticklabels()] == ["alone", "ce", "rcekd"]
    assert (places(panel)["the paper"], lines(panel)["the paper"]) == ([1], [0.25])
    assert whiskers(panel) == pytest.approx([2 * (row.deviation("ndcg@10") or 0) for row in rows])
    assert panel.get_ylim()[0] == 0


def test_a_panel_for_each_variant_and_none_beside_them(tmp_path: Path) -> None:
    for variant in ("", "thin", "wide", "deep"):
        add_cell(tmp_path, "ce", 0.3, variant=variant)
    figure = drawn(tmp_path, "methods")
    titles = ["board, MF → MF", *(f"board, MF → MF, {variant}" for variant in ("deep", "thin", "wide"))]
    assert sorted(panel.get_title() for panel in shown(figure)) == titles
    assert len(figure.axes) == 6, "two lines of three"


def test_a_caption_tells_how_each_dataset_was_judged(tmp_path: Path) -> None:
    add_plan(tmp_path, figures=["methods"], datasets=["board", "garden"], seeds=[0, 1, 2])
    other = {"protocol": {"mask": "train+valid", "users": "with-targets"}}
    for dataset, seeds, changes in (("board", (0, 2), {}), ("garden", (1,), other)):
        for seed in seeds:
            add_cell(tmp_path, "rcekd", 0.3, dataset=dataset, seed=seed, **changes)
    made = draw_figures(material(tmp_path), tmp_path / "figures")
    assert (
        "board, split random, all items ranked, train items masked, all users, seeds 0, 2; "
        "garden, split random, all items ranked, train+valid items masked, users with a target, seed 1."
    ) in made[0].read_text()


def test_an_ablation_shows_differences_and_keeps_what_is_far_apart_whole(tmp_path: Path) -> None:
    figure = drawn(worked(tmp_path / "experiments" / "try", ["ablation"]), "ablation")
    assert all(panel.get_ylim()[0] > 0 for panel in shown(figure))

    class Far:
        paper: dict[str, Any] = {}  # noqa: RUF012 - stands in for a row

        def __init__(self, value: float) -> None:
            self.mean, self.deviation = (lambda _: value), (lambda _: None)

    rows: Sequence[Any] = [Far(0.1), Far(0.9)]
    assert ablation.where_they_differ(rows, "ndcg@10", None) is None
    near: Sequence[Any] = [Far(0.1), Far(0.11)]
    assert ablation.where_they_differ(near, "ndcg@10", 0.25) is None
    near[0].paper = {"ndcg@10": SimpleNamespace(value=0.13)}
    low, high = ablation.where_they_differ(near, "ndcg@10", None) or (0, 0)
    assert 0 < low < 0.1 < 0.13 < high, "the paper's values are in sight too"


def test_the_teachers_line_is_within_an_axis_that_begins_above_zero(tmp_path: Path) -> None:
    for teacher in (0.25, 0.35):
        folder = tmp_path / str(teacher)
        for name, value in {"teacher": teacher, "ce": 0.3, "rcekd": 0.302}.items():
            add_cell(folder, name, value)
        (panel,) = shown(drawn(folder, "ablation"))
        low, high = panel.get_ylim()
        assert 0 < low < lines(panel)["teacher"][0] < high


def test_ranks_early_and_late(tmp_path: Path) -> None:
    figure = drawn(worked(tmp_path / "experiments" / "try", ["ranks"], seeds=1), "ranks")
    for panel in shown(figure):
        found = lines(panel)
        assert found["middle"][0] > found["end"][0] > 1
        assert found["equal ranks"] == [1, 200]
        assert panel.get_xlabel() == "teacher's rank"
    assert [panel.get_ylabel() for panel in shown(figure)] == ["student's rank", "", "student's rank", ""]


def test_ranks_that_no_user_has_are_left_out_and_a_baseline_stands_for_the_method(tmp_path: Path) -> None:
    folder = tmp_path / "experiments" / "try"
    for method, levels in {"teacher": (1.0,), "none": (0.1,), "ce": (0.5, 0.6)}.items():
        for seed, level in enumerate(levels):
            name = f"{method}-{seed}"
            add_cell(folder, method, 0.3, seed=seed, run_dir=add_run(folder, name, level=level))
            file = folder.parent / name / "analysis.json"
            found = json.loads(file.read_text())
            found["moments"][-1]["ranks"]["student_rank_median"][seed : seed + 2] = [None, None]
            file.write_text(json.dumps(found))
    (panel,) = shown(drawn(folder, "ranks"))
    ends = [[r + 500 * (1 - level * (1 - 0.9**50)) for r in (1, 2, 3, 4)] for level in (0.5, 0.6)]
    expected = [ends[1][0], math.nan, ends[0][2], fmean(end[3] for end in ends)]
    assert lines(panel)["end"][:4] == pytest.approx(expected, nan_ok=True)


def test_curves_of_training(tmp_path: Path) -> None:
    folder = worked(tmp_path / "experiments" / "try", ["train-ndcg"], seeds=2)
    figure = drawn(folder, "train-ndcg")
    assert {len(panel.lines) for panel in shown(figure)} == {4}  # two methods, two seeds
    assert set(lines(shown(figure)[0])) == {"ce", "rcekd"}
    assert places(shown(figure)[0])["rcekd"] == [*MOMENTS]
    mastered = drawn(folder, "overlap")
    assert [panel.get_title() for panel in shown(mastered)] == ["board", "garden"]
    assert set(lines(shown(mastered)[0])) == {"MF → MF", "LightGCN → MF"}
    first = lines(shown(mastered)[0])["MF → MF"]
    assert first[0] == pytest.approx((0.072 + 0.073) / 2)
    assert places(shown(mastered)[0])["MF → MF"] == [*range(1, 51)]


def test_a_histogram_names_the_seed_that_it_shows(tmp_path: Path) -> None:
    folder = worked(tmp_path / "experiments" / "try", ["histogram"], seeds=3)
    (tmp_path / "experiments" / "cell-board-mf-mf-rcekd-0" / "analysis.json").unlink()
    titles = [panel.get_title() for panel in shown(drawn(folder, "histogram"))]
    assert titles[:2] == ["board, MF → MF, seed 1", "garden, MF → MF, seed 0"]
    (figure,) = make_document(folder, folder / "report").figures
    assert "of the first seed that has been analysed" in figure.caption


def test_a_histogram_is_of_three_moments(tmp_path: Path) -> None:
    folder = worked(tmp_path / "experiments" / "try", ["histogram"], seeds=1, places=1)
    (panel,) = shown(drawn(folder, "histogram"))
    steps = {patch.get_label(): list(patch.get_data().values) for patch in panel.patches}
    wanted = {
        name: moment(epoch, 0.72 * (1 - 0.9**epoch))
        for name, epoch in {"beginning": 1, "middle": 10, "end": 50}.items()
    }
    assert {name: steps[name] for name in wanted} == {name: one["su"]["share"] for name, one in wanted.items()}
    file = tmp_path / "experiments" / "cell-board-mf-mf-rcekd-0" / "analysis.json"
    found = json.loads(file.read_text())
    found["moments"][-1]["su"] = None
    file.write_text(json.dumps(found))
    (panel,) = shown(drawn(folder, "histogram"))
    assert "end" not in {patch.get_label() for patch in panel.patches}, "of a list that nobody has nothing is mastered"


def test_captions_tell_the_moments_and_the_users_that_were_there(tmp_path: Path) -> None:
    folder = worked(tmp_path / "experiments" / "try", ["histogram", "ranks"], seeds=2, places=1)
    for seed in (0, 1):
        file = tmp_path / "experiments" / f"cell-board-mf-mf-rcekd-{seed}" / "analysis.json"
        kept = [moment(epoch, 0.5) for epoch in (0, 16 + 16 * seed, 50)]
        file.write_text(json.dumps({"epochs": 50, "users": 30, "moments": kept}))
    captions = {figure.file.stem: figure.caption for figure in make_document(folder, folder / "report").figures}
    same = "beginning at 32 %, middle at 32 %, end at 100 % of the epochs; beginning and middle are one moment"
    assert same in captions["histogram"]
    assert "middle at 32 to 64 %, end at 100 % of the epochs; of at most 30 drawn users" in captions["ranks"]
    assert not any("after" in caption for caption in captions.values())


def test_the_overlap_of_a_combination(tmp_path: Path) -> None:
    folder = tmp_path / "experiments" / "try"
    run = add_run(folder, "combined", level=0.5, key="rcekd.overlap")
    add_cell(folder, "rcekd", 0.3, run_dir=run, settings={"method": {"name": "rcekd+de"}})
    assert lines(shown(drawn(folder, "overlap"))[0])["MF → MF"][:2] == pytest.approx([0.05, 0.095])


def test_names_mean_nothing_to_matplotlib(tmp_path: Path) -> None:
    folder, board, pair = tmp_path / "experiments" / "try", "$b^$", "_t-$s_$"
    labels = {"rcekd": "rcekd", "a$b^$": "ce", "_hidden": "ce", r"back\$": "ce", "R$": "ce"}
    steps = [{"label": f"$K_{k}^$", "set": {"method.K": k}} for k in (10, 20)]
    kinds = [*FIGURES]
    add_plan(folder, figures=kinds, datasets=[board], pairs=[pair], variants=["", *steps], title="$x^$")
    for label, method in labels.items():
        run = add_run(folder, f"run-{method}-{len(label)}-{label[-2:]}", level=0.5)
        add_cell(folder, label, 0.3, dataset=board, pair=pair, run_dir=run, settings={"method": {"name": method}})
    for step in steps:
        settings = {"method": {"name": "rcekd", "K": step["set"]["method.K"]}}
        add_cell(folder, "rcekd", 0.3, dataset=board, pair=pair, variant=step["label"], settings=settings)
    made = draw_figures(material(folder), folder / "figures")
    assert {file.stem for file in made} == {*kinds}
    figure = drawn(folder, "train-ndcg")
    told = [text.get_text().replace(style.NO_WIDTH, "").replace(r"\$", "$") for text in figure.legends[0].get_texts()]
    assert sorted(told) == sorted(labels)


def test_no_two_lines_look_alike() -> None:
    """Without colours too, for as many lines as anyone can read."""
    looks = [style.line_style(place) for place in range(210)]
    assert len({tuple(look.values()) for look in looks}) == 210
    assert len({(look["linestyle"], look["marker"]) for look in looks[:35]}) == 35


def test_overlap_needs_no_analysis_and_the_others_name_what_is_missing(tmp_path: Path) -> None:
    folder = worked(tmp_path / "experiments" / "try", ["overlap", "ranks", "ov"], seeds=1, places=1, analysed=False)
    document = make_document(folder, folder / "report")
    assert [figure.file.name for figure in document.figures] == ["overlap.svg"]
    (said,) = [note for note in document.notes if "analysis" in note]
    assert "cell-board-mf-mf-rcekd-0; `rcekd analyze RUN`" in said
    assert not document.extras


def test_a_report_elsewhere_draws_beside_itself_and_shows_no_old_drawing(tmp_path: Path) -> None:
    folder = worked(tmp_path / "experiments" / "try", ["methods", "histogram"], seeds=1, places=1)
    (folder / "figures").mkdir()
    (folder / "figures" / "mine.svg").write_text("<svg/>")
    make_document(folder, folder / "report")
    before = {file: file.read_bytes() for file in (folder / "figures").iterdir()}
    add_plan(folder, figures=["methods"])
    elsewhere = tmp_path / "elsewhere"
    document = make_document(folder, elsewhere, metric="recall@20")
    new, mine = elsewhere / "figures" / "methods.svg", folder / "figures" / "mine.svg"
    assert [figure.file for figure in document.figures] == [new, mine]
    assert {file: file.read_bytes() for file in (folder / "figures").iterdir()} == before
    assert new.read_bytes() != before[folder / "figures" / "methods.svg"]
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot draw figures here"):
        make_document(folder, tmp_path / "file")


def test_the_overlap_table_and_figure_9_are_of_the_first_variant(tmp_path: Path) -> None:
    folder = worked(tmp_path / "experiments" / "try", ["ov", "overlap"], seeds=1, places=1, variants=["", "later"])
    run = add_run(folder, "later", level=0.1)
    add_cell(folder, "rcekd", 0.3, variant="later", run_dir=run)
    document = make_document(folder, folder / "report")
    (sheet,), (figure,) = document.extras, document.figures
    assert sheet.rows[0][3].text == f"{0.5 + 0.5 * (0.72 * (1 - 0.9**50)):.2f}"
    assert "of several variants the first that has it: as it is" in figure.caption
    assert "of several variants the first that has it: as it is" in sheet.notes
    assert lines(shown(drawn(folder, "overlap"))[0])["MF → MF"][0] == pytest.approx(0.072)


def test_a_damaged_analysis_is_one_line(tmp_path: Path) -> None:
    folder = worked(tmp_path / "experiments" / "try", ["ranks"], seeds=1)
    file = tmp_path / "experiments" / "cell-board-mf-mf-rcekd-0" / "analysis.json"
    file.write_text("{")
    with pytest.raises(InputError, match=r"analysis\.json: damaged"):
        drawn(folder, "ranks")


def test_one_setting_at_a_time(tmp_path: Path) -> None:
    figure = drawn(swept(tmp_path), "sensitivity")
    over_lambda, over_k = shown(figure)
    assert (over_lambda.get_xlabel(), over_lambda.get_xscale()) == ("λ", "log")
    assert (over_k.get_xlabel(), over_k.get_xscale()) == ("K", "linear")
    assert whiskers(over_k) == pytest.approx(6 * [2 * stdev([0.3, 0.303])], rel=0.05)
    curves = [line for line in over_lambda.lines if len(line.get_xdata()) == 4]
    assert list(curves[0].get_xdata()) == [0.5, 10, 500, 10000]
    usual = {
        line.get_xdata()[0] for line in over_lambda.lines if line.get_linestyle() == ":" and len(line.get_xdata()) == 2
    }
    assert 10 in usual


def test_the_experiments_own_run_is_on_the_line_where_its_value_has_a_place(tmp_path: Path) -> None:
    for own, wanted in ((3.0, [1, 3, 100]), (100.0, [1, 100]), (0.0, [1, 100])):
        folder = tmp_path / str(own)
        variants = ["", *({"label": f"beta {beta}", "set": {"method.beta": beta}} for beta in (1, 100))]
        add_plan(folder, figures=["sensitivity"], methods=["rcekd"], variants=variants)
        for label, beta, value in (("", own, 0.25), ("beta 1", 1, 0.2), ("beta 100", 100, 0.3)):
            settings = {"method": {"name": "rcekd", "beta": beta}}
            add_cell(folder, "rcekd", value, variant=label, settings=settings)
        (panel,) = shown(drawn(folder, "sensitivity"))
        curve, *dotted = panel.lines
        assert list(curve.get_xdata()) == wanted
        assert panel.get_xscale() == "log"
        assert {line.get_xdata()[0] for line in dotted if line.get_linestyle() == ":"} == ({own} if own else set())
    (figure,) = make_document(folder, folder / "report").figures
    assert "preset" not in figure.caption


def test_a_value_counts_however_it_is_written(tmp_path: Path) -> None:
    """YAML reads 1e-1 as a text, which the settings take for a number; a key may be nested. Of two nobody can tell."""
    sets = {"": {}, "c": {"method": {"beta": 2.5}}, "b": {"method.beta": "1e-1"}, "d": {"method.beta": 0}}
    sets["two"] = {"method.beta": 7, "method.lambda": 20}
    variants = [{"label": label, "set": moved} for label, moved in sets.items()]
    add_plan(tmp_path, figures=["sensitivity"], methods=["rcekd"], variants=variants)
    for label, beta in (("", 3.0), ("c", 2.5), ("b", 0.1), ("d", 0), ("two", 7)):
        add_cell(tmp_path, "rcekd", 0.3, variant=label, settings={"method": {"name": "rcekd", "beta": beta}})
    (panel,) = shown(drawn(tmp_path, "sensitivity"))
    assert list(panel.lines[0].get_xdata()) == [0, 0.1, 2.5, 3]


def test_the_overlap_table_stands_in_the_report(tmp_path: Path) -> None:
    tables = [
        {"source": "Table 7", "datasets": ["garden"], "metrics": ["ov@2", "ov@20", "ov@100"],
         "values": {"mf-mf": {"rcekd": [0.57, 0.89, 0.98]}}}
    ]  # fmt: skip
    folder = worked(tmp_path / "experiments" / "try", ["ov"], paper_tables=tables)
    (sheet,) = make_document(folder, folder / "report").extras
    assert [column.full_name for column in sheet.columns][:4] == [
        "T → S", "OV@2, board", "OV@20, board", "OV@100, board",
    ]  # fmt: skip
    row = sheet.rows[0]
    assert [entry.paper for entry in row[1:]] == ["", "", "", "0.57", "0.89", "0.98"]
    expected = 0.5 + 0.5 * (0.73 * (1 - 0.9**50))
    assert row[3].text == f"{expected:.2f}"


def test_the_overlap_table_is_of_the_seeds_that_have_it_at_the_moments_they_kept(tmp_path: Path) -> None:
    folder = tmp_path / "experiments" / "try"
    add_plan(folder, figures=["ov"], seeds=[0, 1, 2])
    for seed, (begin, ov) in enumerate([(4, 0.5), (6, 0.8), (4, None)]):
        run = add_run(folder, f"run-{seed}", level=0.5)
        kept = [moment(epoch, 0.5) | {"ov": ov and {"all": ov + epoch / 1000}} for epoch in (0, begin, 8, 50)]
        Path(run, "analysis.json").write_text(json.dumps({"epochs": 50, "moments": kept}))
        add_cell(folder, "rcekd", 0.3, seed=seed, run_dir=run)
    (sheet,) = make_document(folder, folder / "report").extras
    begun, later, ended = [0.504, 0.806], [0.508, 0.808], [0.55, 0.85]
    assert [(entry.text, entry.spread) for entry in sheet.rows[0][1:]] == [
        (f"{fmean(values):.2f}", f"{stdev(values):.2f}") for values in (begun, later, ended)
    ]
    assert sheet.notes[1:] == [
        "the nearest kept moments: OV@2 at 8 to 12 %, OV@20 at 16 %, OV@100 at 100 % of the epochs"
    ]
    assert not sheet.paper_note


def test_the_nearest_moment_is_never_the_untrained_model() -> None:
    analysis = {"moments": [moment(epoch, 0.1) for epoch in (0, 4, 20, 50)]}
    assert [(moment_at(analysis, share) or {})["epoch"] for share in (0.0, 0.02, 0.2, 1.0)] == [4, 4, 4, 50]
    assert moment_at({"moments": []}, 0.5) is None


def test_a_file_of_figures_for_each_kind() -> None:
    names = {re.sub(r"-", "_", kind) for kind in KINDS}
    folder = Path(style.__file__).parent
    assert {path.stem for path in folder.glob("*.py")} >= names
    titles = [kind.title for kind in KINDS.values()]
    assert len(set(titles)) == len(FIGURES)
