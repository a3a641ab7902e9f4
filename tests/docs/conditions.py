"""Under which conditions the documentation's commands are run here: small data, few epochs; and which are only read."""

from collections.abc import Mapping
from types import MappingProxyType

import yaml

from rcekd.methods import METHODS, part_names
from tests.flows.conftest import SMALL

FINISHED = "runs/distill-synthetic-mf-mf-rcekd-s0-001"
# Documents that talk of a finished RUN without making one.
WITH_A_RUN = ("docs/serving.md",)

# Real data is replaced by generated data, so names change with it: of datasets, and of run folders and files.
NAMES: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("ml-100k", "ml-1m", "citeulike", "gowalla", "yelp"), "synthetic"),
        "mf400": "mf8",
        "…": "*",
        "runs/RUN": FINISHED,
        "RUN": FINISHED,
    }
)
SYNTHETIC = {key: value for key, value in SMALL.items() if key.startswith("data.")}
TRAINING = {key: value for key, value in SMALL.items() if not key.startswith("data.")}
# Commands that train: they take few epochs of small models; those that read data take the same data.
TRAINS = ("distill", "train-teacher", "sweep", "profile", "config show")
READS = ("import-teacher", "data info", "data prepare")
MORE: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "distill": ("--threads=1",),
        "train-teacher": ("--threads=1",),
        "sweep": ("--threads=1", "--trials=2", "--set=data.synthetic.items=250"),  # its lists are up to 200 long
        "profile": ("--threads=1", "--epochs=1", "--warmup=0"),
        "run": ("--threads=1",),
        "serve-bench": ("--threads=1", "--requests=20", "--batch=20"),
        "import-teacher": ("--max-missing=0.5",),
        "recommend": ("--skip-unknown",),
    }
)

# Read with all their options and settings, and not run. Documents, and beginnings of commands in them.
READ_ONLY: Mapping[str, str] = MappingProxyType(
    {
        "docs/methods/": "tests/flows/test_methods.py distils with every method",
        "docs/backbones/": "tests/flows/test_sequential.py distils these; the data are real ones",
        "docs/commands/bench.md": "a process of its own for each method",
        "docs/experiments.md": "hours on real data; tests/flows/test_run.py runs and draws the same on small data",
        "docs/reports.md": "docs/tutorials/researcher.md runs and reports an experiment",
        **dict.fromkeys(
            (
                f"docs/{page}.md: rcekd serve-bench"
                for page in ("serving", "commands/serve-bench", "tutorials/engineer")
            ),
            "a process of its own for each model; tests/flows/test_serve_bench.py runs it",
        ),
        "docs/commands/data.md: rcekd data features tags.parquet": "the tags are real ones",
        "docs/theory.md": "minutes on real data; tests/flows/test_analyze.py does the same",
        "docs/cuda.md: rcekd distill": "needs a GPU; tests/devices distils on a pretend one",
        "docs/findings.md": "an hour on real data; tests/flows/test_run.py does the same on small data",
        "docs/comparison": "hours of training on real data; tests/flows/test_run.py does the same on small data",
        "docs/quality.md": "hours of tuning on real data; what they print is in the document",
        "docs/import-teacher.md": "tests/flows/test_import_teacher.py imports every format; the data are real ones",
        "README.md: rcekd distill --dataset ml-1m --set data.split=leave-one-out": "needs data with times",
        "README.md: rcekd import-teacher": "the file is the reader's; docs/tutorials/engineer.md does the same",
        "README.md: rcekd run": "hours; docs/tutorials/researcher.md does the same",
        "README.md: rcekd report": "what `rcekd run` takes hours for; docs/tutorials/researcher.md does the same",
    }
)
# Programs that are not ours, with the reason why they are not run.
FOREIGN: Mapping[str, str] = MappingProxyType(
    {
        "make": "sets the whole checkout up, or runs the tests that we are in",
        "pip": "needs the package index",
        "tensorboard": "a viewer, installed by who wants it",
        "python": "run in the document's own test where it is not an hour's work",
        "export": "sets a variable of the shell",
        "echo": "shows something",
    }
)


def small_experiment(text: str) -> str:
    """An experiment file on small data, with two seeds and few epochs."""
    grid = yaml.safe_load(text)
    labels = [method if isinstance(method, dict) else {"label": method} for method in grid["methods"]]
    for label in labels:
        label["set"] = {**label.get("set", {}), **_lists(["--method", label.get("method", label["label"])])}
    datasets = [_renamed(name) for name in grid["datasets"]]
    shrunk = {"datasets": datasets, "methods": labels, "seeds": grid["seeds"][:2], "set": {**SMALL}}
    return yaml.safe_dump({**grid, **shrunk})


def read_only(where: str) -> str | None:
    """Why the command `document: words` is only read; None where it is run."""
    return next((reason for begin, reason in READ_ONLY.items() if where.startswith(begin)), None)


def small(words: list[str]) -> list[str]:
    """The words after `rcekd` of a command, with small data and few epochs."""
    words = [_renamed(word) for word in words]
    name = next((known for known in (*TRAINS, *READS, *MORE) if _begins(words, known)), "")
    if "--resume" in words:
        return words
    if name in (*TRAINS, *READS[:1]) and not {"--dataset", "--config"} & set(words):
        words = [*words, "--dataset", "synthetic"]  # the default is a real one
    settings: dict[str, object] = dict(SYNTHETIC) if name in (*TRAINS, *READS) and "synthetic" in words else {}
    settings |= TRAINING | _lists(words) if name in TRAINS else {}
    given = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
    return [*words, *given, *MORE.get(name, ())]


def _renamed(word: str) -> str:
    if word in NAMES:
        return NAMES[word]
    for old, new in NAMES.items():
        word = word.replace(old, new) if old != "RUN" else word
    return word


def _begins(words: list[str], name: str) -> bool:
    parts = name.split()
    return words[: len(parts)] == parts


def _lists(words: list[str]) -> dict[str, object]:
    """Lists that fit into a small catalogue, for the method that the words name."""
    method = words[words.index("--method") + 1] if "--method" in words else "rcekd"
    parts = part_names(method)
    keys = {part: {field.alias for field in METHODS[part].settings.model_fields.values()} for part in parts}
    room = {part: "method." if len(parts) == 1 else f"method.{part}." for part in parts}
    return {f"{room[part]}{key}": 10 for part in parts for key in ("K", "L") if key in keys[part]}
