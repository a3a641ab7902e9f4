"""How near A is to the closed set of the same size, while training: the paper's Table 7, as a table here too."""

import statistics
from typing import Any

from rcekd.experiments.plan import OV_TABLE
from rcekd.reports.experiment.blocks import Row
from rcekd.reports.experiment.sheets import Column, Entry, Sheet
from rcekd.reports.experiment.texts import NOTHING
from rcekd.reports.figures.material import BEGIN, END, MIDDLE, Material, arrow, moment_at, place_of

MOMENTS = (("ov@2", BEGIN), ("ov@20", MIDDLE), ("ov@100", END))


def ov_sheet(material: Material) -> Sheet | None:
    """A row per pair, three columns per dataset; None where the grid does not ask for it, or nothing is analysed."""
    if material.evidence.grid is None or OV_TABLE not in material.evidence.grid.figures:
        return None
    rows: dict[tuple[str, str], Row] = {}
    for block in material.blocks:
        if block.subject is not None:
            rows.setdefault((block.dataset, block.pair), block.subject)  # the first variant, as in Figure 9
    found = {place: material.analyses(row) for place, row in rows.items()}
    if not any(found.values()):
        return None
    datasets, pairs = place_of(material.blocks)
    columns = [Column("T → S", numeric=False)]
    columns += [Column(name.upper(), group=dataset) for dataset in datasets for name, _ in MOMENTS]
    body = [
        [
            Entry(arrow(pair)),
            *(
                _entry(found.get((dataset, pair), []), rows.get((dataset, pair)), name, share)
                for dataset in datasets
                for name, share in MOMENTS
            ),
        ]
        for pair in pairs
    ]
    paper = any(entry.paper for row in body for entry in row)
    notes = [
        "OV = |A ∩ I| / |A ∪ I|, I the student's top |A| items, after 2 %, 20 % and 100 % of the epochs; mean over "
        "users, ± standard deviation over seeds",
        *_moments_taken([analysis for analyses in found.values() for analysis in analyses]),
    ]
    note = "in brackets: the paper's value (Table 7)" if paper else ""
    return Sheet("ov", "Overlap of A with the closed set of its size", columns, body, notes=notes, paper_note=note)


def _entry(analyses: list[dict[str, Any]], row: Row | None, name: str, share: float) -> Entry:
    found = [moment_at(analysis, share) for analysis in analyses]
    values = [
        float(m["ov"]["all"]) for m in found if m is not None and m["ov"] is not None and m["ov"]["all"] is not None
    ]
    figure = row.paper.get(name) if row is not None else None
    paper = "" if figure is None else f"{figure.value:.2f}"
    if not values:
        return Entry(NOTHING, paper=paper)
    mean = statistics.fmean(values)
    spread = f"{statistics.stdev(values):.2f}" if len(values) > 1 else ""
    return Entry(f"{mean:.2f}", spread=spread, paper=paper, order=mean)


def _moments_taken(analyses: list[dict[str, Any]]) -> list[str]:
    """How far the kept moments are from the wanted shares, at worst."""
    taken = []
    for name, share in MOMENTS:
        shares = [moment["share"] for a in analyses if (moment := moment_at(a, share)) is not None]
        if shares and max(abs(got - share) for got in shares) > 0.1 * share:
            taken.append(f"{name.upper()} at {min(shares):.0%} to {max(shares):.0%}")
    return [f"the nearest kept moments were taken: {', '.join(taken)} of the epochs"] if taken else []
