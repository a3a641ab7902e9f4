"""The table that a distillation ends with: teacher, student alone, distilled student, side by side."""

from typing import Any

from rcekd.evaluation.ranking import METRICS
from rcekd.reports.table import Table


def run_table(summary: dict[str, Any]) -> Table:
    """What a run came to, of whatever kind: --resume goes on with any."""
    if summary["kind"] == "distill":
        return comparison(summary)
    what = "student alone" if summary["kind"] == "alone" else "teacher"
    return single(summary, f"{what} ({summary['model']} {summary['dim']})")


def comparison(summary: dict[str, Any]) -> Table:
    """Quality, size and cost of every model of a distillation, from its summary."""
    teacher, student = summary["teacher"], summary["student"]
    models = [("teacher", teacher)]
    if "alone" in summary:
        models.append(("student alone", summary["alone"]))
    models.append((f"student, {summary['method']['name']}", student))
    columns = ("", *METRICS, "parameters", "smaller", "s/epoch", "epochs", "peak memory")
    rows = [_row(label, model, teacher) for label, model in models]
    return Table(f"{summary['dataset']['name']}, test", columns, rows, _notes(summary))


def single(summary: dict[str, Any], label: str) -> Table:
    """Quality on both held-out sets, for one model."""
    rows = [(part, *(f"{summary[part][metric]:.4f}" for metric in METRICS)) for part in ("valid", "test")]
    return Table(f"{label}, {summary['dataset']['name']}", ("", *METRICS), rows, _notes(summary))


def gap_closed(summary: dict[str, Any], metric: str) -> float | None:
    """How far the student came from the student alone (0) to the teacher (1); None where that cannot be said."""
    if "alone" not in summary:
        return None
    low, high = summary["alone"]["test"][metric], summary["teacher"]["test"][metric]
    if high <= low:
        return None
    return float((summary["student"]["test"][metric] - low) / (high - low))


def _row(label: str, model: dict[str, Any], teacher: dict[str, Any]) -> tuple[str, ...]:
    return (
        f"{label} ({model['model']} {model['dim']})",
        *(f"{model['test'][metric]:.4f}" for metric in METRICS),
        f"{model['parameters']:,}",
        f"{teacher['parameters'] / model['parameters']:.0f}×",
        f"{model['seconds_per_epoch']:.2f}",
        f"{model['epochs']} (best {model['best_epoch'] + 1})",
        f"{model['training_peak_rss_bytes'] / 2**20:.0f} MiB",
    )


def _notes(summary: dict[str, Any]) -> list[str]:
    data, protocol = summary["dataset"], summary["protocol"]
    notes = [
        f"split {data['split']}: {data['users']:,} users × {data['items']:,} items, "
        f"{data['train']:,} / {data['valid']:,} / {data['test']:,} interactions; "
        f"{data['cold_test_share']:.1%} of test pairs concern items never trained on",
        f"all items ranked, {protocol['mask']} items masked, averaged over "
        + ("all users" if protocol["users"] == "all" else "users with a target"),
    ]
    if protocol.get("history", "train") != "train":
        # Unmasked, what was just read takes high places: NDCG@10 of SASRec on ml-1m is 0.129, and 0.159 with the mask.
        compete = "; the validation items compete there: --set eval.mask=train+valid leaves them out"
        notes.append(
            f"a sequential model has read {protocol['history']} before the test ranking"
            + (compete if protocol["mask"] == "train" else "")
        )
    notes += _temperature_note(summary)
    closed = {metric: gap_closed(summary, metric) for metric in ("ndcg@10", "ndcg@20")} if "student" in summary else {}
    known = [f"{value:.0%} on {metric}" for metric, value in closed.items() if value is not None]
    if known:
        notes.append("way from the student alone to the teacher: " + ", ".join(known))
    return notes


def _temperature_note(summary: dict[str, Any]) -> list[str]:
    """The teacher's temperature where it is not 1, above all the one that `auto` has found."""
    found = summary.get("teacher", {}).get("temperatures", [])
    return [f"the scores that teach are divided by {tau:.3g} (teacher.temperature)" for tau in found if tau != 1.0]
