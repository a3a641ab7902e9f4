"""Studies of `rcekd sweep` as one record: a table of what each method's search found, and every trial as JSON lines.

    for method in ce rrd cd; do rcekd sweep --dataset citeulike --method $method --trials 8 --json > $method.json; done
    python -m benchmarks.tuning ce.json rrd.json cd.json --out benchmarks/results/tuning-citeulike

Only validation counts in it. A study's first trial is what the dataset's preset or the method's own defaults say.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from benchmarks.measure import stamp


def main() -> None:
    arguments = parse()
    studies = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in arguments.studies}
    text = report(studies)
    print(text)
    if arguments.out:
        arguments.out.with_suffix(".md").write_text(text, encoding="utf-8")
        lines = [json.dumps(line) for name, study in studies.items() for line in trials(name, study)]
        arguments.out.with_suffix(".jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("studies", nargs="+", type=Path, help="METHOD.json: what `rcekd sweep --json` printed")
    parser.add_argument("--out", type=Path, help="write OUT.md and OUT.jsonl too")
    return parser.parse_args()


def trials(method: str, study: dict[str, Any]) -> list[dict[str, Any]]:
    """Every trial of a study, without what belongs to the machine it ran on."""
    return [
        {
            "method": method,
            "trial": trial["number"],
            "state": trial["state"],
            study["watch"]: trial["value"],
            "epochs": trial["epochs"],
            **trial["point"],
        }
        for trial in study["trials"]
    ]


def report(studies: dict[str, dict[str, Any]]) -> str:
    """The Markdown table, the best method first."""
    watch = next(iter(studies.values()))["watch"]
    lines = [
        f"# What `rcekd sweep` found: validation {watch}, one seed",
        "",
        stamp(),
        "",
        "| method | trials | stopped early | first trial | best | at |",
        "|---|---|---|---|---|---|",
    ]
    for method, study in sorted(studies.items(), key=lambda entry: -entry[1]["best"]["value"]):
        found, best = study["trials"], study["best"]
        pruned = sum(trial["state"] == "pruned" for trial in found)
        point = ", ".join(f"{key.removeprefix('method.')} {_short(value)}" for key, value in best["point"].items())
        lines.append(
            f"| {method} | {len(found)} | {pruned} | {found[0]['value']:.4f} | {best['value']:.4f} | {point} |"
        )
    return "\n".join([*lines, ""])


def _short(value: Any) -> str:
    return (
        f"{value:.2g}"
        if isinstance(value, float) and value < 10
        else f"{value:.0f}"
        if isinstance(value, float)
        else str(value)
    )


if __name__ == "__main__":
    main()
