"""What `rcekd config show` shows: every setting resolved, and where each comes from."""

from collections.abc import Sequence
from importlib import resources
from itertools import takewhile
from pathlib import Path
from typing import Any

import yaml

from rcekd.config import RunSettings
from rcekd.datasets import CATALOG
from rcekd.experiments.layers import Layer
from rcekd.provenance import Sourced, sources
from rcekd.reports.table import Table

PRESET = "preset"


def sourced(settings: RunSettings, layers: Sequence[Layer]) -> list[Sourced]:
    """Every setting with its source: a layer's name, or "default".

    layers: what was resolved, in rising order of precedence.
    """
    return sources(settings.to_values(), layers)


def settings_table(settings: RunSettings, rows: Sequence[Sourced]) -> Table:
    """A row per setting; the notes say why the preset is what it is."""
    own = _left_to_the_dataset(settings)
    cells = [(row.key, _cell(row.value), own.get(row.key, row.source)) for row in rows]
    notes = [f"preset {settings.dataset}: {note}" for note in _why(settings.dataset, rows)]
    return Table(f"settings of {settings.method.name} on {settings.dataset}", ("key", "value", "source"), cells, notes)


def settings_object(settings: RunSettings, rows: Sequence[Sourced]) -> dict[str, Any]:
    """The same as plain values."""
    return {
        "settings": settings.to_values(),
        "sources": {row.key: row.source for row in rows},
        "preset": " ".join(_why(settings.dataset, rows)) or None,
    }


def settings_yaml(settings: RunSettings, teacher_dirs: Sequence[Path] = ()) -> str:
    """The text of a --config file that resolves to these settings, whatever presets there will be.

    teacher_dirs: run folders that the teachers are taken from, which a run's own config.yaml names too.
    """
    given = {"teacher_dirs": [str(folder.resolve()) for folder in teacher_dirs]} if teacher_dirs else {}
    text: str = yaml.safe_dump(given | settings.to_values(), sort_keys=False, allow_unicode=True)
    return text


def _cell(value: Any) -> str:
    text: str = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True)
    return text.removesuffix("...\n").strip()


def _left_to_the_dataset(settings: RunSettings) -> dict[str, str]:
    """The source of settings that were left open and that the catalogue fills, by key."""
    entry = CATALOG.get(settings.dataset)
    filled = {} if entry is None else {name: value for name, value in entry.defaults if value is not None}
    # A group of settings is never left open, and takes nothing from the catalogue.
    return {
        f"data.{key}": f"the dataset's own: {filled[key]}"
        for key, value in settings.data
        if value is None and key in filled
    }


def _why(dataset: str, rows: Sequence[Sourced]) -> list[str]:
    """The words with which a preset's file begins, where any setting comes from it."""
    if not any(row.source == PRESET for row in rows):
        return []
    text = (resources.files("rcekd") / "presets" / f"{dataset}.yaml").read_text(encoding="utf-8")
    comment = takewhile(lambda line: line.startswith("#"), text.splitlines())
    words = " ".join(line.removeprefix("#").strip() for line in comment)
    return [words] if words else []
