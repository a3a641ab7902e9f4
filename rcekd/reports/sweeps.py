"""How a sweep went: its trials, best first."""

from typing import Any

from rcekd.reports.table import Table


def describe_trial(trial: dict[str, Any], watch: str) -> str:
    """One line about a trial that has ended."""
    if trial["error"]:
        return f"trial {trial['number']}: {trial['error']}"
    outcome = f"{trial['state']} after {trial['epochs']} epochs, valid {watch} {_value(trial)}"
    return f"trial {trial['number']}: {outcome}, {_point(trial)}"


def trials_table(found: dict[str, Any]) -> Table:
    """Every trial, best first; pruned ones show the best value they had reached."""
    order = sorted(found["trials"], key=lambda trial: (trial["value"] is None, -(trial["value"] or 0.0)))
    rows = [(str(t["number"]), _value(t), t["state"], str(t["epochs"]), _point(t)) for t in order]
    columns = ("trial", f"valid {found['watch']}", "state", "epochs", "settings")
    notes = [f"study: {found['sweep_dir']}; the same command goes on with it"]
    if found["best"] is not None:
        notes.append(f"use the best: rcekd distill --config {found['sweep_dir']}/best.yaml")
    return Table("trials", columns, rows, notes)


def _value(trial: dict[str, Any]) -> str:
    return "–" if trial["value"] is None else f"{trial['value']:.4f}"


def _point(trial: dict[str, Any]) -> str:
    return ", ".join(
        f"{key}={value:.4g}" if isinstance(value, float) else f"{key}={value}" for key, value in trial["point"].items()
    )
