"""Studies of `rcekd sweep` as one record: a table of what each method's search found, and every trial as JSON lines.

    for method in ce rrd cd; do rcekd sweep --dataset citeulike --method $method --trials 8 --json > $method.json; done
    python -m benchmarks.tuning ce.json rrd.json cd.json --out benchmarks/results/tuning-citeulike

Only validation counts in it. A study's first trial is what the dataset's preset or the method's own defaults say.
"""

import argparse
import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

from benchmarks.measure import stamp


def main() -> None:
    arguments = parse()
    studies = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in arguments.studies}
    watch = next(iter(studies.values()))["watch"]
    lines = kept(arguments.out, studies) + [line for name, study in studies.items() for line in trials(name, study)]
    text = report(lines, watch)
    print(text)
    if arguments.out:
        arguments.out.with_suffix(".md").write_text(text, encoding="utf-8")
        written = "".join(json.dumps(line) + "\n" for line in lines)
        arguments.out.with_suffix(".jsonl").write_text(written, encoding="utf-8")


def kept(out: Path | None, studies: Collection[str]) -> list[dict[str, Any]]:
    """What stands in the record already of methods other than these."""
    record = out and out.with_suffix(".jsonl")
    if record is None or not record.exists():
        return []
    lines = [json.loads(line) for line in record.read_text(encoding="utf-8").splitlines()]
    return [line for line in lines if line["method"] not in studies]


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("studies", nargs="+", type=Path, help="METHOD.json: what `rcekd sweep --json` printed")
    parser.add_argument(
        "--out", type=Path, help="write OUT.md and OUT.jsonl too; what OUT.jsonl says of other methods stays"
    )
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


def report(lines: list[dict[str, Any]], watch: str) -> str:
    """The Markdown table, the best method first."""
    table = [
        f"# What `rcekd sweep` found: validation {watch}, one seed",
        "",
        stamp(),
        "- this is where the latest studies were added; those of earlier ones are in the file's history",
        "",
        "| method | trials | stopped early | first trial | best | at |",
        "|---|---|---|---|---|---|",
    ]
    methods = {line["method"]: [other for other in lines if other["method"] == line["method"]] for line in lines}
    best = {name: max(found, key=lambda line: line[watch] or 0.0) for name, found in methods.items()}
    for name in sorted(methods, key=lambda name: -best[name][watch]):
        found, pruned = methods[name], sum(line["state"] == "pruned" for line in methods[name])
        point = ", ".join(
            f"{key.removeprefix('method.')} {_short(value)}" for key, value in best[name].items() if "method." in key
        )
        table.append(
            f"| {name} | {len(found)} | {pruned} | {found[0][watch]:.4f} | {best[name][watch]:.4f} | {point} |"
        )
    return "\n".join([*table, ""])


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
