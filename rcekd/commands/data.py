"""`rcekd data list | info | prepare | features`: what is known, what a dataset holds, and what is made of it."""

from typing import Annotated, Any

import typer

from rcekd.commands import options
from rcekd.commands.console import Output
from rcekd.commands.data_features import features
from rcekd.config import resolve
from rcekd.datasets import CATALOG, Interactions, load_dataset
from rcekd.errors import InputError
from rcekd.reports.table import Table

app = typer.Typer(help="Datasets: what is known, what one holds, and preparation alone.")

OptionalName = Annotated[str | None, typer.Argument(help="name of a known dataset, or a path")]
DatasetFlag = Annotated[str | None, typer.Option("--dataset", help="the same as the argument")]


@app.command("list")
def list_datasets(quiet: options.Quiet = False, as_json: options.Json = False, debug: options.Debug = False) -> None:
    """Every dataset known by name."""
    del debug
    output = Output(as_json=as_json, quiet=quiet)
    rows = [(entry.name, entry.summary, str(entry.defaults.split or ""), entry.licence) for entry in CATALOG.values()]
    output.table(Table("datasets", ("name", "what it is", "split", "licence"), rows, []))
    fields = ("name", "summary", "split", "licence")
    output.result({"datasets": [dict(zip(fields, row, strict=True)) for row in rows]})


def show(
    name: OptionalName = None,
    dataset: DatasetFlag = None,
    assignments: options.Set = None,
    config: options.Config = None,
    data_dir: options.DataDir = None,
    quiet: options.Quiet = False,
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Prepare a dataset unless the cache has it, and show what it holds."""
    del debug
    output = Output(as_json=as_json, quiet=quiet)
    if name is not None and dataset is not None:
        raise InputError(f"both {name!r} and --dataset {dataset!r}: give the dataset once")
    options.check_rooms(assignments, ("data",), "data info")
    settings = resolve(
        options.run_layers(
            dataset if name is None else name, config=options.config_file(config), assignments=assignments, seed=None
        )
    )
    data = load_dataset(settings.dataset, settings.data, data_dir=data_dir)
    counts = data.counts()
    output.table(_table(data, counts))
    attached = {name: found.summary() for name, found in data.features.items()}
    told = {"name": data.name, "split": data.split, "fingerprint": data.fingerprint, **counts}
    told["times"] = data.times is not None
    output.result(told | ({"features": attached} if attached else {}))


# Two errands, one way: what a dataset holds is known once it is prepared, and a prepared one is only read.
app.command("info", help="What a dataset holds, per split, and how much of the test it never trains on.")(show)
app.command("prepare", help="Fetch, read, filter and split a dataset, and keep the result for later runs.")(show)

app.command("features")(features)


def _table(data: Interactions, counts: dict[str, Any]) -> Table:
    rows = [(key.replace("_", " "), _cell(key, value)) for key, value in counts.items()]
    rows += [
        (f"features {name}", f"{found.width} wide, {found.missing_share:.1%} of items have none")
        for name, found in data.features.items()
    ]
    note = f"fingerprint {data.fingerprint[:16]}; times: {'no' if data.times is None else 'yes'}"
    return Table(f"{data.name}, split {data.split}", ("", "count"), rows, [note])


def _cell(key: str, value: float) -> str:
    if key.endswith("_share"):
        return f"{value:.1%}"
    return f"{value:,}" if isinstance(value, int) else f"{value:.3%}"
