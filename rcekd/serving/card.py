"""The model card of an export: card.json for programs, model_card.md for people, of the same facts."""

from typing import Any

from rcekd.datasets import CATALOG
from rcekd.evaluation.ranking import METRICS
from rcekd.experiments.opening import FinishedRun

LEFT_OUT = {
    "all": "train, validation and test items",
    "train+valid": "train and validation items",
    "train": "train items",
    "none": "nothing",
}


def facts(run: FinishedRun, measured: dict[str, Any]) -> dict[str, Any]:
    """Everything a card says. `measured`: what the export itself found out."""
    summary = run.summary
    named = CATALOG.get(run.settings.dataset)
    licence = named.licence if named else "the data is the user's own, and its terms apply"
    models = [{"role": run.label, **_model(summary)}]
    models += [{"role": role, **_model(summary[role])} for role in ("teacher", "alone") if role in summary]
    return {
        "kind": "export",
        "run": {key: summary[key] for key in ("run_dir", "identity", "seed", "epochs", "best_epoch")},
        "model": run.label,
        "method": summary.get("method"),
        "window": run.model.window if run.reads_histories else None,
        "reads_times": run.reads_histories and run.model.reads_times,
        "data": {**summary["dataset"], "licence": licence},
        "protocol": summary["protocol"],
        "quality": models,
        "versions": summary["versions"],
        **measured,
    }


def _model(part: dict[str, Any]) -> dict[str, Any]:
    return {key: part[key] for key in ("model", "dim", "parameters", "valid", "test")}


def as_markdown(card: dict[str, Any]) -> str:
    """The card as a page."""
    data, run = card["data"], card["run"]
    lines = [
        f"# {card['model']}, {data['name']}",
        "",
        f"Run `{run['run_dir']}`, identity `{run['identity']}`, seed {run['seed']}, epoch {run['best_epoch'] + 1} "
        f"of {run['epochs']}. Made with rcekd {card['versions']['rcekd']}.",
        "",
        "## Data",
        f"{data['name']}, split {data['split']}: {data['users']:,} users × {data['items']:,} items, {data['train']:,} "
        f"train, {data['valid']:,} validation and {data['test']:,} test interactions; "
        f"{data['cold_test_share']:.1%} of the test pairs concern items that were never trained on.",
        f"Licence of the data: {data['licence']}.",
        "",
        *_quality(card),
        *_cost(card),
        *_new_users(card),
        *_limits(card),
        "## Files",
        "| file | bytes | what |",
        "|---|---|---|",
        *(f"| `{name}` | {entry['bytes']:,} | {entry['what']} |" for name, entry in card["files"].items()),
    ]
    return "\n".join(lines) + "\n"


def _quality(card: dict[str, Any]) -> list[str]:
    protocol = card["protocol"]
    who = "all users" if protocol["users"] == "all" else "users with a target"
    read = (
        ""
        if protocol.get("history", "train") == "train"
        else f" after reading {protocol['history']} (sequential models)"
    )
    rows = [
        f"| {model['role']} ({model['model']} {model['dim']}) | {model['parameters']:,} | "
        + " | ".join(f"{model['test'][metric]:.4f}" for metric in METRICS)
        + " |"
        for model in [{**card["quality"][0], "role": "this model"}, *card["quality"][1:]]
    ]
    chosen = "The validation set chose the epoch."
    if not card["data"]["valid"]:
        chosen = "Nothing was held out for validation: the last epoch was kept."
    return [
        "## Quality, test set",
        f"| model | parameters | {' | '.join(METRICS)} |",
        f"|---|---|{'---|' * len(METRICS)}",
        *rows,
        "",
        f"All items ranked, {protocol['mask']} items masked, averaged over {who}{read}. {chosen}",
        "",
    ]


def _cost(card: dict[str, Any]) -> list[str]:
    took = card["latency"]
    lines = [
        "## Cost and agreement",
        f"- One user's top {took['top']} by the native scan on one thread: half of {took['requests']} requests took at "
        f"most {took['p50']:.3f} ms, 99 % at most {took['p99']:.3f} ms, on {took['machine']}.",
    ]
    if "onnx" in card:
        lines += [
            f"- `{name}` in onnxruntime: scores differ by at most {parity['largest_difference']:.1e} of the largest; "
            f"of {parity['rows']} lists {parity['lists_with_other_items']} name other items somewhere."
            for name, parity in card["onnx"].items()
        ]
    if "index" in card:
        index = card["index"]
        found = f"{index['recall']:.1%} of the exact top {index['top']}"
        lines.append(f"- `index.usearch` finds {found} of {index['rows']} users.")
    return [*lines, ""]


def _new_users(card: dict[str, Any]) -> list[str]:
    found = card["fold_in"]
    mean, weight = "mean(item[history])", ""
    if found["power"] != 1:
        mean = f"w * {mean}"
        weight = f" with `w = (len(history) / {found['typical_length']:g}) ** {1 - found['power']:g}`"
    how_good = (
        f"Nobody was there to validate it: its ridge, {found['ridge']:g}, and scaling are defaults, and how good such "
        "vectors are is not known."
    )
    if found["valid_ndcg@10"] is not None:
        how_good = (
            "On the validation set such vectors, by a map that was fitted to other users, reach NDCG@10 "
            f"{found['valid_ndcg@10']:.4f}; the trained ones reach {found['valid_ndcg@10_trained']:.4f}."
        )
    return [
        "## New users",
        f"A user with a history but no vector gets `{mean} @ fold_in_weight + fold_in_bias`{weight}. {how_good} "
        "The items were trained with these users' histories, as they will not have been with a stranger's.",
        "",
    ]


def _reading(window: int | None, reads_times: bool) -> list[str]:
    if window is None:
        return []
    order = "in order and of when they were met" if reads_times else "in order"
    return [
        f"- It makes a user's vector of the last {window} items {order}. The vectors here are those after the "
        "training items: what a user does later does not move them, and the map for new users knows no order. "
        "For vectors that follow a history, keep the run: `rcekd recommend RUN --history` reads it.",
    ]


def _limits(card: dict[str, Any]) -> list[str]:
    return [
        "## What it cannot do",
        "- It knows the items of its training data: one that came later, or was never trained on, cannot be ranked.",
        "- Scores order the items of one user. They are no probabilities, and two users' scores do not compare.",
        *_reading(card["window"], card["reads_times"]),
        "- It was judged on held-out interactions of the past, not by what people do with its lists.",
        f"- Its lists leave out what was known when it was made, `seen`: {LEFT_OUT[card['seen']]}. Keep it up to date.",
        "",
    ]
