"""How near A is to the closed set of the same size, while training: the paper's Table 7, as a table here too."""

import statistics
from typing import Any

from rcekd.experiments.plan import OV_TABLE
from rcekd.reports.experiment.blocks import Block, Row
from rcekd.reports.experiment.sheets import Column, Entry, Sheet
from rcekd.reports.experiment.texts import NOTHING
from rcekd.reports.figures.captions import moments_taken, users_drawn, variants_chosen
from rcekd.reports.figures.material import BEGIN, END, MIDDLE, Material, arrow, moment_at, place_of

MOMENTS = (("ov@2", BEGIN), ("ov@20", MIDDLE), ("ov@100", END))


def ov_sheet(material: Material) -> Sheet | None:
    """A row per pair, three columns per dataset; None where the grid does not ask for it, or nothing is analysed."""
    if material.evidence.grid is None or OV_TABLE not in material.evidence.grid.figures:
        return None
    firsts: dict[tuple[str, str], Block] = {}
    for block in material.blocks:
        if block.subject is not None:
            firsts.setdefault((block.dataset, block.pair), block)  # the first variant, as in Figure 9
    rows = {place: block.subject for place, block in firsts.items()}
    found = {place: material.analyses(row) for place, row in rows.items() if row is not None}
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
        *_elsewhere([analysis for analyses in found.values() for analysis in analyses]),
        *users_drawn([(firsts[place], analyses) for place, analyses in found.items()]),
        *variants_chosen([firsts[place] for place, analyses in found.items() if analyses], material.blocks),
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


def _elsewhere(analyses: list[dict[str, Any]]) -> list[str]:
    """Which moments were taken, where some lie far from the wanted shares."""
    pairs = [(share, found["share"]) for _, share in MOMENTS for a in analyses if (found := moment_at(a, share))]
    far = any(abs(got - share) > 0.1 * share for share, got in pairs)
    return moments_taken(analyses, [(name.upper(), share) for name, share in MOMENTS]) if far else []
