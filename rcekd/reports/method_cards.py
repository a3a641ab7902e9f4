"""What `rcekd methods` shows: a row per method, and the settings of one."""

from collections.abc import Mapping
from typing import Any

from rcekd.methods import Entry
from rcekd.reports.table import Table


def card(name: str, entry: Entry) -> dict[str, Any]:
    """A method as plain values."""
    about, defaults = entry.build, entry.settings.model_validate({})
    values = defaults.model_dump(mode="json")
    return {
        "name": name,
        "paper": "" if about is None else about.citation,
        "needs": sorted(defaults.needs()),
        "cost": "" if about is None else about.cost,
        "use": "the student alone, against which every method is measured" if about is None else about.use,
        "settings": {
            field.alias or key: {"default": values[key], "about": field.description}
            for key, field in entry.settings.model_fields.items()
            if key != "name"
        },
    }


def cards(entries: Mapping[str, Entry], aliases: Mapping[str, str]) -> Table:
    """One row per method."""
    rows = []
    for name, entry in entries.items():
        about = card(name, entry)
        rows.append((name, about["use"], ", ".join(about["needs"]) or "nothing", about["cost"], about["paper"]))
    notes = [f"{alias} is short for {name}" for alias, name in aliases.items()]
    notes.append("combine by +, e.g. --method rcekd+de; the settings of one: rcekd methods NAME")
    return Table("distillation methods", ("name", "use", "needs", "cost", "paper"), rows, notes)


def settings_of(name: str, entry: Entry, room: str) -> Table:
    """Every setting of a method with its default; room: what its keys stand under, `method.de` in a combination."""
    fields = {key: field for key, field in entry.settings.model_fields.items() if key != "name"}
    default = entry.settings.model_validate({}).model_dump(mode="json")
    rows = [
        (f"{room}.{field.alias or key}", str(default[key]), field.description or "") for key, field in fields.items()
    ]
    return Table(f"settings of {name}", ("key", "default", "meaning"), rows, [])
