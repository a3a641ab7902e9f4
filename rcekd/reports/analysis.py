"""What `rcekd analyze` shows: how the student came to follow its teacher, and whether the theorems' bound held."""

from typing import Any

from rcekd.reports.table import Table

SETS = {"student_top": "Qˢ", "mixed": "A", "teacher_top": "Qᵀ", "catalogue": "I"}
BOUNDS = {"": "log NDCG ≥ −CE + log C (Theorems 4.1 and 4.4)", "sharp_": "log NDCG ≥ −CE (the sharper one)"}


def progress_table(found: dict[str, Any]) -> Table:
    """A row per moment: metrics, what of the teacher's list is mastered, how far A and Qᵀ are from closed."""
    columns = (
        "epochs", "share", "train ndcg@10", "valid ndcg@10", "s_u", "OV", "OV by chance",
        "A closed", "A lacks", "Qᵀ closed", "Qᵀ lacks",
    )  # fmt: skip
    title = f"{found['method']} on {found['dataset']}, {found['pair']}, seed {found['seed']}: {found['users']} users"
    notes = [
        "closed: share of users whose set is; lacks: items ranked above a member and not in the set, mean over users",
        "OV: |A ∩ Ideal| / |A ∪ Ideal|, Ideal the student's top |A|; by chance: were the draws uniform over I ∖ Qᵀ",
    ]
    return Table(title, columns, [_progress(moment) for moment in found["moments"]], notes)


def bounds_table(found: dict[str, Any]) -> Table:
    """A row per moment: the slack of both bounds on each kind of set, in nats; the notes say where they failed."""
    labels = [f"{kind}slack {label}" for kind in ("", "sharp ") for label in SETS.values()]
    rows = [
        (str(moment["epoch"]), *(_of(moment["sets"], name, f"{kind}slack", ".3f") for kind in BOUNDS for name in SETS))
        for moment in found["moments"]
    ]
    notes = [line for kind in BOUNDS for line in verdict(found, kind)]
    return Table("slack of the bounds, mean over users, in nats", ("epochs", *labels), rows, notes)


def verdict(found: dict[str, Any], kind: str) -> list[str]:
    """A bound and what became of it, on closed sets and on others. kind: a key of BOUNDS."""
    total = sum(_count(found, name, closed=True) for name in SETS)
    failed = sum(_failures(found, name, kind, closed=True) for name in SETS)
    held = f"held on all {total:,} closed sets" if not failed else f"FAILED on {failed:,} of {total:,} closed sets"
    lines = [f"{BOUNDS[kind]} {held}"]
    others = {name: _count(found, name, closed=False) for name in SETS}
    failures = [
        f"{SETS[name]} {_failures(found, name, kind, closed=False):,} of {count:,}"
        for name, count in others.items()
        if count
    ]
    return lines + ([f"  on sets that are not closed it failed: {', '.join(failures)}"] if failures else [])


def _progress(moment: dict[str, Any]) -> tuple[str, ...]:
    sets, overlap = moment["sets"], moment["ov"] or {"all": None, "catalogue": None}
    return (
        str(moment["epoch"]),
        f"{moment['share']:.1%}",
        f"{moment['train']['ndcg@10']:.4f}",
        f"{moment['valid']['ndcg@10']:.4f}",
        _cell(moment["su"] and moment["su"]["mean"], ".3f"),
        _cell(overlap["all"], ".3f"),
        _cell(overlap["catalogue"], ".3f"),
        _of(sets, "mixed", "closed_share", ".1%"),
        _of(sets, "mixed", "missing", ",.0f"),
        _of(sets, "teacher_top", "closed_share", ".1%"),
        _of(sets, "teacher_top", "missing", ",.0f"),
    )


def _of(sets: dict[str, Any], name: str, key: str, form: str) -> str:
    return _cell(sets[name] and sets[name][key], form)


def _cell(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)


def _count(found: dict[str, Any], name: str, *, closed: bool) -> int:
    """Closed sets of this name over all moments and users, or those that are not."""
    sets = [moment["sets"][name] for moment in found["moments"] if moment["sets"][name]]
    return int(sum(one["closed"] if closed else one["users"] - one["closed"] for one in sets))


def _failures(found: dict[str, Any], name: str, kind: str, *, closed: bool) -> int:
    sets = [moment["sets"][name] for moment in found["moments"] if moment["sets"][name]]
    among_closed = sum(one[f"{kind}violations_among_closed"] for one in sets)
    return int(among_closed if closed else sum(one[f"{kind}violations"] for one in sets) - among_closed)
