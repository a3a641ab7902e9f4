"""The main table of a block: quality of every row, beside what it cost."""

from collections.abc import Sequence
from pathlib import Path

from rcekd.experiments.plan import TEACHER
from rcekd.reports.experiment import texts
from rcekd.reports.experiment.blocks import Block, Role, Row
from rcekd.reports.experiment.judging import best_baselines, best_rows, differ_in_seeds, improvement
from rcekd.reports.experiment.sheets import Column, Entry, Mark, Sheet

COSTS = (Column("parameters"), Column("s/epoch"), Column("peak MiB"), Column("seeds"))


def quality_sheet(name: str, block: Block, metrics: Sequence[str]) -> Sheet:
    """Mean ± sd over seeds, the best student bold, the best baseline underlined, the paper's value in brackets."""
    marks = _marks(block, metrics)
    rows = [
        [
            Entry(row_name(row)),
            *(_quality(row, metric, marks.get((place, metric), Mark.NONE), anchor(name, place)) for metric in metrics),
            *_costs(row, block.machines, anchor(name, place)),
        ]
        for place, row in enumerate(block.rows)
    ]
    groups = [row.role is Role.SUBJECT for row in block.rows]
    rules = {place for place, row in enumerate(block.rows) if place and _new_group(block.rows[place - 1], row)}
    foot = [_gain(block, metrics)] if any(groups) and not block.of_variants and _gains(block, metrics) else []
    columns = [Column("variant" if block.of_variants else "method", numeric=False), *map(Column, metrics), *COSTS]
    caption = f"{block.title}: quality on the test set, and cost"
    return Sheet(name, caption, columns, rows, foot, frozenset(rules), _notes(block), _paper_note(block, metrics))


def row_name(row: Row) -> str:
    """Teacher and student alone with their sizes, the latter by the label that it was given; a method by its label."""
    if row.role not in (Role.TEACHER, Role.ALONE):
        return row.name
    size = f" ({row.records[0].summary.model} {row.records[0].summary.dim})" if row.records else ""
    return f"{row.role.value if row.name in (TEACHER, 'none') else row.name}{size}"


def anchor(name: str, place: int) -> str:
    """Where the provenance of row `place` of the sheet `name` is."""
    return f"{name}-row{place}"


def origin(row: Row) -> str:
    """Runs, settings, code, data and machine of a row, in a few lines."""
    if not row.records:
        return ""
    facts = [record.summary for record in row.records]
    lines = [
        f"seeds {', '.join(map(str, row.seeds))}",
        "runs " + ", ".join(fact.run_dir.rpartition("/")[2] for fact in facts),
        f"settings {row.records[0].settings_digest}",
        "code " + ", ".join(dict.fromkeys(fact.code for fact in facts)),
        f"data {facts[0].dataset.fingerprint[:16]}",
        "machine " + "; ".join(dict.fromkeys(fact.machine for fact in facts)),
    ]
    return "\n".join(lines)


def _marks(block: Block, metrics: Sequence[str]) -> dict[tuple[int, str], Mark]:
    """By the row's place: two may have one name, such as a variant that is called as the one without a label is."""
    marks: dict[tuple[int, str], Mark] = {}
    for metric in metrics:
        for mark, rows in ((Mark.BOLD, best_rows(block, metric)), (Mark.UNDERLINED, best_baselines(block, metric))):
            for place, row in enumerate(block.rows):
                if any(row is best for best in rows):
                    marks[place, metric] = marks.get((place, metric), Mark.NONE) | mark
    return marks


def _quality(row: Row, metric: str, mark: Mark, source: str) -> Entry:
    mean, deviation, paper = row.mean(metric), row.deviation(metric), row.paper.get(metric)
    return Entry(
        texts.metric(mean),
        spread="" if deviation is None else texts.metric(deviation),
        paper="" if paper is None else texts.metric(paper.value),
        mark=mark,
        order=mean,
        hint=origin(row),
        source=source if row.records else "",
    )


def _costs(row: Row, machines: Sequence[str], source: str) -> list[Entry]:
    if not row.records:
        return [Entry(texts.NOTHING)] * 3 + [Entry("0", order=0.0)]
    seconds, peak, size = row.seconds(), row.peak_bytes(), row.records[0].summary.parameters
    several = len(machines) > 1
    timed = [texts.seconds(s) + (f" ({letter(machines, m)})" if several else "") for m, s in seconds.items()]
    comparable = next(iter(seconds.values())) if len(seconds) == 1 else None
    hint = origin(row)
    return [
        Entry(texts.count(size), order=None if size is None else float(size), hint=hint, source=source),
        Entry(" / ".join(timed) or texts.NOTHING, order=comparable, hint=hint, source=source),
        Entry(texts.mebibytes(peak), order=None if peak is None else float(peak), hint=hint, source=source),
        Entry(str(len(row.records)), order=float(len(row.records)), hint=hint, source=source),
    ]


def letter(machines: Sequence[str], machine: str) -> str:
    """A short name for a machine where there are several."""
    return chr(ord("A") + machines.index(machine)) if len(machines) <= 26 else str(machines.index(machine) + 1)


def _new_group(before: Row, row: Row) -> bool:
    groups = {Role.TEACHER: 0, Role.ALONE: 1, Role.BASELINE: 1, Role.KIN: 2, Role.SUBJECT: 2}
    return groups[before.role] != groups[row.role]


def _gains(block: Block, metrics: Sequence[str]) -> bool:
    return any(improvement(block, metric) is not None for metric in metrics)


def _gain(block: Block, metrics: Sequence[str]) -> list[Entry]:
    gains = [improvement(block, metric) for metric in metrics]
    return [
        Entry("gain over the best baseline"),
        *(Entry(texts.percent(gain), order=gain) for gain in gains),
        *([Entry("")] * len(COSTS)),
    ]


def _notes(block: Block) -> list[str]:
    spread = "mean ± standard deviation over seeds" if any(len(row.records) > 1 for row in block.rows) else "one seed"
    notes = [spread + "; bold: best student" + ("" if block.of_variants else "; underlined: best baseline")]
    if differ_in_seeds(block):
        notes.append("not all rows have the same seeds; a mean is over its row's own, the gain over common ones")
    notes += [*_one_run(block), *_other_teachers(block), *_machine_notes(block)]
    codes = sorted({record.summary.code for record in block.records})
    notes += [f"made by several versions of the code: {', '.join(codes)}"] if len(codes) > 1 else []
    notes += [f"not finished: {labels}" for labels in shortened([str(labels) for labels in block.open])]
    notes += [f"failed: {failure.labels}: {failure.error}" for failure in block.failed]
    return notes


def _one_run(block: Block) -> list[str]:
    """The rows whose seeds have run folders in common, as a teacher's whose seed is fixed."""
    counted = [(row, len({_folder(record.summary.run_dir) for record in row.records})) for row in block.rows]
    return [
        f"{row_name(row)}: {'one run stands' if runs == 1 else f'{runs} runs stand'} for its {len(row.records)} seeds, "
        "so deviations and tests over seeds leave its variance out"
        for row, runs in counted
        if runs < len(row.records)
    ]


def _other_teachers(block: Block) -> list[str]:
    """The rows that learnt, at some seed, from another run than the teacher's row has there."""
    shown = {
        seed: _folder(record.summary.run_dir)
        for row in block.rows
        if row.role is Role.TEACHER
        for seed, record in zip(row.seeds, row.records, strict=True)
    }
    found: dict[str, list[str]] = {}
    for row in block.rows:
        pairs = [(shown.get(seed), record.summary.teacher) for seed, record in zip(row.seeds, row.records, strict=True)]
        others = [own.size for here, own in pairs if here and own and own.run_dir and _folder(own.run_dir) != here]
        for size in dict.fromkeys(others):
            found.setdefault(size, []).append(row_name(row))
    return [
        f"{', '.join(names)} learnt from another teacher ({size}), which has no row here"
        for size, names in found.items()
    ]


def _folder(run_dir: str) -> str:
    """A run by its folder's name, which has a digest of its settings: the way there may be written otherwise."""
    return Path(run_dir).name


def _paper_note(block: Block, metrics: Sequence[str]) -> str:
    figures = [row.paper[metric] for row in block.rows for metric in metrics if metric in row.paper]
    sources = dict.fromkeys(figure.source for figure in figures if figure.source)
    return f"in brackets: the paper's value ({', '.join(sources) or 'its place is not named'})" if figures else ""


def _machine_notes(block: Block) -> list[str]:
    machines = block.machines
    if not machines:
        return []
    about = "s/epoch: median over seeds, evaluation included; peak MiB: the most that a seed's training took"
    if len(machines) == 1:
        return [f"{about}; machine: {machines[0]}"]
    named = "; ".join(f"{letter(machines, machine)}: {machine}" for machine in machines)
    return [about, f"times of different machines do not compare: {named}"]


def shortened(lines: list[str], most: int = 6) -> list[str]:
    """The first lines, and how many more there are."""
    rest = len(lines) - most
    return lines if rest <= 0 else [*lines[:most], f"{rest} more"]
