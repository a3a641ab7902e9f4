"""What a caption or a note says of the analyses behind a figure: which moments, whose, and of which variant."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from rcekd.reports.experiment.blocks import UNLABELLED, Block
from rcekd.reports.figures.material import moment_at, panel_title

Analysis = dict[str, Any]


def moments_taken(analyses: Sequence[Analysis], wanted: Sequence[tuple[str, float]]) -> list[str]:
    """At which shares of the epochs the moments lie that stand for the wanted ones, and which names mean one moment."""
    found = {name: [one for a in analyses if (one := moment_at(a, share)) is not None] for name, share in wanted}
    told = [f"{name} at {_from_to([one['share'] for one in moments])}" for name, moments in found.items() if moments]
    same = [
        f"{first} and {second} are one moment where no other was kept"
        for (first, before), (second, after) in pairwise(found.items())
        if any(one is other for one, other in zip(before, after, strict=True))
    ]
    return [f"the nearest kept moments: {', '.join(told)} of the epochs", *same] if told else []


def users_drawn(found: Sequence[tuple[Block, Sequence[Analysis]]]) -> list[str]:
    """Of how many users the analyses are, where some are not of all."""
    drawn = [
        analysis["users"]
        for block, analyses in found
        for analysis in analyses
        if analysis.get("users", math.inf) < block.records[0].summary.dataset.users
    ]
    return [f"of at most {max(drawn):,} drawn users of a dataset"] if drawn else []


def variants_chosen(chosen: Sequence[Block], blocks: Sequence[Block]) -> list[str]:
    """Which variant of a pair is shown, where the method under test has several of one."""
    places = [(block.dataset, block.pair) for block in blocks if block.subject is not None]
    if len(places) == len(set(places)):
        return []
    labels = list(dict.fromkeys(block.variant or UNLABELLED for block in chosen))
    named = labels[0] if len(labels) == 1 else "; ".join(map(panel_title, chosen))
    return [f"of several variants the first that has it: {named}"]


def _from_to(shares: Sequence[float]) -> str:
    low, high = (f"{round(100 * share, 1):g}" for share in (min(shares), max(shares)))
    return f"{low} %" if low == high else f"{low} to {high} %"
