"""Teacher, student alone and distilled student over several seeds: mean ± sd on test, as a Markdown table.

    python -m benchmarks.quality --dataset citeulike --seeds 5

Every seed trains its own teacher, student alone and distilled student by the dataset's preset. Runs live in --runs-dir;
a seed that is done is not done again, so the command can be interrupted and repeated.
"""

import argparse
import json
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.measure import stamp
from rcekd.commands import options
from rcekd.commands.console import Output, TrainingView
from rcekd.config import resolve
from rcekd.evaluation.ranking import METRICS
from rcekd.experiments import pipeline
from rcekd.experiments.identity import digest
from rcekd.experiments.place import Place

MODELS = (("teacher", "teacher"), ("alone", "student alone"), ("student", "student, {method}"))


def main() -> None:
    arguments = parse()
    place = Place(arguments.runs_dir, arguments.data_dir, TrainingView(Output(as_json=True, quiet=False)))
    summaries = [seed_summary(arguments, place, seed) for seed in range(arguments.seeds)]
    text = report(arguments, summaries)
    print(text)
    if arguments.out:
        arguments.out.write_text(text, encoding="utf-8")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--dataset", default="citeulike")
    parser.add_argument("--method", default="rcekd")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--set", dest="assignments", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--runs-dir", type=Path, default=Path("runs/quality"))
    parser.add_argument("--out", type=Path, help="write the table to this file too")
    return parser.parse_args()


def seed_summary(arguments: argparse.Namespace, place: Place, seed: int) -> dict[str, Any]:
    """The summary of one seed, from its file where it was done before with the same settings."""
    settings = resolve(
        options.run_layers(
            arguments.dataset, method=arguments.method, config=None, assignments=arguments.assignments, seed=seed
        )
    )
    done = arguments.runs_dir / f"done-{digest(settings.to_values())}.json"
    if done.is_file():
        summary: dict[str, Any] = json.loads(done.read_text(encoding="utf-8"))
        return summary
    summary = pipeline.distill(settings, place, with_scratch=True)
    done.write_text(json.dumps(summary), encoding="utf-8")
    return summary


def report(arguments: argparse.Namespace, summaries: list[dict[str, Any]]) -> str:
    """The Markdown table with what is needed to read it."""
    first = summaries[0]
    data, command = first["dataset"], ["python -m benchmarks.quality", f"--dataset {arguments.dataset}"]
    command += [f"--method {arguments.method}"] if arguments.method != "rcekd" else []
    command += [f"--set {text}" for text in arguments.assignments] + [f"--seeds {arguments.seeds}"]
    lines = [
        f"# {data['name']}, split {data['split']}, {len(summaries)} seeds",
        "",
        f"`{' '.join(command)}`",
        "",
        f"{data['users']:,} users × {data['items']:,} items, {data['train']:,} / {data['valid']:,} / {data['test']:,}; "
        f"{data['cold_test_share']:.1%} of test pairs on items never trained on. All items ranked, "
        f"{first['protocol']['mask']} items masked, {first['protocol']['users']} users.",
        "",
        stamp(),
        "",
        "| model | " + " | ".join(METRICS) + " | parameters | s/epoch | epochs | peak MiB |",
        "|---|" + "---|" * (len(METRICS) + 4),
    ]
    for key, label in MODELS:
        rows = [summary[key] for summary in summaries]
        metrics = [spread([row["test"][metric] for row in rows], "{:.4f}") for metric in METRICS]
        cost = [
            f"{rows[0]['parameters']:,}",
            spread([row["seconds_per_epoch"] for row in rows], "{:.2f}"),
            spread([row["epochs"] for row in rows], "{:.0f}"),
            f"{max(row['training_peak_rss_bytes'] for row in rows) / 2**20:.0f}",
        ]
        name = label.format(method=first["method"]["name"])
        lines.append(f"| {name} ({rows[0]['model']} {rows[0]['dim']}) | " + " | ".join([*metrics, *cost]) + " |")
    lines += ["", "Way from student alone to teacher: " + ", ".join(map(closed(summaries), METRICS)) + ".", ""]
    phases = {name: statistics.mean(s["phases"].get(name, 0.0) for s in summaries) for name in first["phases"]}
    lines += ["Seconds per distillation epoch: " + ", ".join(f"{k} {v:.3f}" for k, v in phases.items()) + ".", ""]
    return "\n".join(lines)


def closed(summaries: list[dict[str, Any]]) -> Callable[[str], str]:
    """How far the mean student has come between the means of student alone and teacher, per metric."""

    def share(metric: str) -> str:
        mean = {key: statistics.mean(s[key]["test"][metric] for s in summaries) for key, _ in MODELS}
        gap = mean["teacher"] - mean["alone"]
        return f"{metric} {(mean['student'] - mean['alone']) / gap:.0%}" if gap > 0 else f"{metric} no gap to close"

    return share


def spread(values: list[float], form: str) -> str:
    """Mean ± standard deviation over seeds."""
    mean = form.format(statistics.mean(values))
    return mean if len(values) < 2 else f"{mean} ± {form.format(statistics.stdev(values))}"


if __name__ == "__main__":
    main()
