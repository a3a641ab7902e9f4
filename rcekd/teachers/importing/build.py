"""From what was read to what is kept: a teacher in the dataset's order, on a calibrated scale, and a report on it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import polars as pl
from torch import Tensor

from rcekd.datasets import Interactions
from rcekd.errors import InputError
from rcekd.models import FactorTables
from rcekd.teachers.importing.arrays import read_bias_file
from rcekd.teachers.importing.complete import complete
from rcekd.teachers.importing.formats import read
from rcekd.teachers.importing.matching import Match, match, refuse_missing
from rcekd.teachers.importing.placing import PlacedLists, fill_missing, place
from rcekd.teachers.importing.raw import RawFactors, RawLists, joined
from rcekd.teachers.importing.request import ImportRequest
from rcekd.teachers.importing.seen import list_mass, listed_share, top_mass
from rcekd.teachers.importing.tables import read_ids
from rcekd.teachers.knowledge import FactorTeacher, TeacherKnowledge
from rcekd.teachers.list_floor import calibrate_lists, floors
from rcekd.teachers.lists import ListTeacher
from rcekd.teachers.temperature import Calibration, calibrate, in_range, warmed

# Share of the softmax over a user's top 50 on training items, above which masking them is recommended.
MUCH_SEEN = 0.5

Temperature = float | Literal["auto", "none"]


class Built(NamedTuple):
    """A teacher ready to be kept: its tensors by name, and what is to be told about it."""

    weights: dict[str, Tensor]
    report: dict[str, Any]


def build(request: ImportRequest, data: Interactions, *, temperature: Temperature, max_missing: float) -> Built:
    """Read, match, complete and calibrate. InputError for whatever is wrong with the files or does not match.

    temperature: what scores are divided by; auto: what validation proposes, none: nothing.
    """
    raw = read(request)
    where = " and ".join(str(path) for path in request.files)
    if isinstance(raw, RawLists):
        return _lists(raw, data, where, temperature, max_missing)
    return _factors(_with_bias(raw, request, where), request, data, where, temperature, max_missing)


def refuse_lacking(report: dict[str, Any], data: Interactions, where: Path, max_missing: float) -> None:
    """InputError where an import that is there already, with this report, lacks more than `build` would let pass."""
    sides = ("users", "items") if report["form"] == "factors" else ("users",)
    lacking = [
        (f"of the {side} that {data.name} trains on are not in the teacher", report[side]["missing_share"])
        for side in sides
    ]
    if report["form"] == "lists":
        lists = report["lists"]
        dropped = f"of the lists' entries are of items that {data.name} does not have"
        lacking.append((dropped, lists["dropped"] / max(lists["entries"], 1)))
    for what, share in lacking:
        if share > max_missing:
            raise InputError(
                f"{where}: imported before with a higher --max-missing; {share:.1%} {what} "
                f"(allowed {max_missing:.1%}); check the ids, or raise --max-missing"
            )


def knowledge(weights: dict[str, Tensor], data: Interactions, where: Path) -> TeacherKnowledge:
    """The teacher that `weights` keep. InputError where they do not fit the dataset."""
    users, items = (weights.get(name) for name in ("user", "item"))
    if users is not None and items is not None:
        if (users.shape[0], items.shape[0]) == (data.n_users, data.n_items):
            return FactorTeacher(FactorTables(users, items))
    elif weights.keys() >= {"item_UN", "score_UN", "floor_U"}:
        item_UN = weights["item_UN"]
        if item_UN.shape[0] == data.n_users and int(item_UN.max()) < data.n_items:
            return ListTeacher(item_UN, weights["score_UN"], weights["floor_U"], data.n_items)
    raise InputError(f"{where}: this imported teacher does not fit {data.name}; import it again")


def _factors(
    raw: RawFactors,
    request: ImportRequest,
    data: Interactions,
    where: str,
    temperature: Temperature,
    max_missing: float,
) -> Built:
    user_ids = _ids(raw.user_ids, request.user_ids, "user")
    item_ids = _ids(raw.item_ids, request.item_ids, "item")
    users = match(data, "user", user_ids, raw.user_XD.shape[0], where)
    items = match(data, "item", item_ids, raw.item_YD.shape[0], where)
    for found, ids in ((users, user_ids), (items, item_ids)):
        refuse_missing(data, found, ids, max_missing)
    tables = complete(raw.user_XD, raw.item_YD, users.row_N, items.row_N)
    tables = in_range(tables, where, "scale the vectors down")
    # With none asked for, the scale is still looked at.
    calibration = calibrate(tables, data)
    chosen = _chosen(temperature, calibration)
    tables = warmed(tables, chosen)
    notes = [*raw.notes, *_order_notes(user_ids, item_ids)]
    report = _report(raw.format, "factors", users, items, calibration, chosen, notes)
    _tell_of_seen(report, top_mass(tables, data))
    return Built({"user": tables.user_UD, "item": tables.item_ID}, report)


def _lists(raw: RawLists, data: Interactions, where: str, temperature: Temperature, max_missing: float) -> Built:
    placed = place(raw, data, where)
    refuse_missing(data, placed.users, raw.table["user"].unique(maintain_order=True), max_missing)
    _refuse_dropped(placed, data, max_missing)
    item_UN, score_UN = placed.item_UN, placed.score_UN
    fixed = None if temperature == "auto" else _fixed(temperature)
    if fixed is not None and not (score_UN[item_UN >= 0] / fixed).isfinite().all():
        raise InputError(f"{where}: at temperature {fixed:g} scores are beyond float32; give a larger --temperature")
    calibration, margin = calibrate_lists(item_UN, score_UN, data, fixed)
    chosen = _chosen(temperature, calibration)
    score_UN, margin = score_UN / chosen, margin / chosen
    floor_U = floors(item_UN, score_UN, margin)
    item_UN, score_UN, floor_U = fill_missing(item_UN, score_UN, floor_U, data.n_items)
    seen_share = listed_share(placed.item_UN, data)
    report = _report(raw.format, "lists", placed.users, placed.items, calibration, chosen, list(raw.notes))
    _tell_of_seen(report, list_mass(placed.item_UN, placed.score_UN / chosen, data))
    report["lists"] = {
        "length": item_UN.shape[1],
        "entries": placed.entries,
        "dropped": placed.dropped,
        "seen_share": seen_share,
        "floor_margin": margin,
    }
    if seen_share == 0.0:
        report["notes"].append("the lists leave training items out: distil with --set method.mask=train")
    return Built({"item_UN": item_UN, "score_UN": score_UN, "floor_U": floor_U}, report)


def _tell_of_seen(report: dict[str, Any], mass: float) -> None:
    report["seen_mass"] = mass
    if mass > MUCH_SEEN:
        report["notes"].append("most of its belief is in training items: try distilling with --set method.mask=train")


def _report(
    format_name: str,
    form: str,
    users: Match,
    items: Match,
    calibration: Calibration,
    chosen: float,
    notes: Sequence[str],
) -> dict[str, Any]:
    judged = {
        name: None if found is None else found._asdict()
        for name, found in (("before", calibration.before), ("after", calibration.after))
    }
    return {
        "format": format_name,
        "form": form,
        "users": users.counts(),
        "items": items.counts(),
        "temperature": chosen,
        "calibration": {**calibration._asdict(), **judged},
        "notes": list(notes),
    }


def _with_bias(raw: RawFactors, request: ImportRequest, where: str) -> RawFactors:
    """Item biases from a file of their own, folded in."""
    if request.item_bias is None:
        return raw
    if request.item_bias.endswith(".npy"):
        bias_Y = read_bias_file(Path(request.item_bias))
        rest = {"user_ids": raw.user_ids, "item_ids": raw.item_ids, "notes": raw.notes}
        return joined(raw.format, raw.user_XD, raw.item_YD, bias_Y, where, **rest)
    if raw.format in ("npy", "vectors"):
        raise InputError(
            f"--item-bias {request.item_bias!r}: format {raw.format} has no named biases; give a .npy file"
        )
    return raw


def _ids(inside: pl.Series | None, file: Path | None, side: str) -> pl.Series | None:
    """The rows' ids, from their file or from that of the vectors."""
    if file is None:
        return inside
    if inside is not None:
        raise InputError(f"--{side}-ids {file}: the vectors' own file already names its {side}s; leave the option out")
    return read_ids(file, side)


def _order_notes(user_ids: pl.Series | None, item_ids: pl.Series | None) -> list[str]:
    sides = [side for side, ids in (("users", user_ids), ("items", item_ids)) if ids is None]
    return [f"no ids of {' and '.join(sides)} given: rows are taken to be in the dataset's own order"] if sides else []


def _refuse_dropped(placed: PlacedLists, data: Interactions, max_missing: float) -> None:
    share = placed.dropped / max(placed.entries, 1)
    if share > max_missing:
        raise InputError(
            f"{placed.dropped:,} of the lists' {placed.entries:,} entries are of items that {data.name} does not have "
            f"({share:.1%}, allowed {max_missing:.1%}); check the ids, or raise --max-missing"
        )


def _fixed(temperature: Temperature) -> float:
    return temperature if isinstance(temperature, float) else 1.0


def _chosen(temperature: Temperature, calibration: Calibration) -> float:
    return (calibration.temperature or 1.0) if temperature == "auto" else _fixed(temperature)
