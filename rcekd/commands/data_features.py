"""`rcekd data features`: a file of item features, from tags, a text column, or vectors of the user's own."""

from pathlib import Path
from typing import Annotated

import typer

from rcekd.commands import options
from rcekd.commands.console import Output
from rcekd.config import resolve
from rcekd.datasets import Interactions, load_dataset
from rcekd.datasets.features.attach import aligned
from rcekd.datasets.features.making import FeatureRequest, make_features
from rcekd.datasets.features.table import FeatureTable, write_features
from rcekd.errors import InputError
from rcekd.reports.table import Table

Out = Annotated[Path, typer.Argument(help="the file to write, a .parquet")]
Tags = Annotated[Path | None, typer.Option("--tags", help="tag lists: line t is a count, then the items with tag t")]
Text = Annotated[Path | None, typer.Option("--text", help="table of item ids and texts: CSV, TSV or Parquet")]
Vectors = Annotated[Path | None, typer.Option("--vectors", help="vectors: .npy, or a table of item ids and numbers")]
ItemIds = Annotated[Path | None, typer.Option("--item-ids", help="file of the original id of each row of a .npy")]
ItemColumn = Annotated[str | None, typer.Option("--item-column", help="column of item ids in a table")]
TextColumn = Annotated[str | None, typer.Option("--text-column", help="column of the text in a table")]
Width = Annotated[int, typer.Option("--width", min=1, max=4096, help="numbers per item, of tags and texts")]
# Without it there is none, where other commands take their default.
Of = Annotated[
    str | None,
    typer.Option(
        "--dataset",
        help="say too how many items of this dataset (a name or a path) have features",
        autocompletion=options.complete_dataset,
    ),
]
Least = Annotated[int, typer.Option("--least", min=1, help="leave out tags and words of fewer items")]


def features(
    out: Out,
    tags: Tags = None,
    text: Text = None,
    vectors: Vectors = None,
    item_ids: ItemIds = None,
    item_column: ItemColumn = None,
    text_column: TextColumn = None,
    width: Width = 128,
    least: Least = 2,
    dataset: Of = None,
    assignments: options.Set = None,
    config: options.Config = None,
    seed: options.Seed = None,
    data_dir: options.DataDir = None,
    quiet: options.Quiet = False,
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Make a file of item features: of tags or texts (tf-idf and truncated SVD), or of vectors that are there.

    With --dataset it also says how many of the dataset's items have features.
    """
    del debug
    output = Output(as_json=as_json, quiet=quiet)
    if out.suffix != ".parquet":
        raise InputError(f"{out}: features are written as Parquet; choose a name that ends in .parquet")
    request = FeatureRequest(tags, text, vectors, item_ids, item_column, text_column, width, least, seed or 0)
    data = None
    if dataset is not None:
        settings = resolve(
            options.run_layers(dataset, config=options.config_file(config), assignments=assignments, seed=seed)
        )
        data = load_dataset(settings.dataset, settings.data, data_dir=data_dir)
    table = make_features(request)
    told: dict[str, int | float | str] = {"items": len(table.item_ids), "width": table.value_XF.shape[1]}
    told |= _coverage(table, data, str(request.source)) if data is not None else {}
    write_features(out, table)
    rows = [(key.replace("_", " "), _cell(value)) for key, value in told.items()]
    notes = [f"use it with --set data.features.NAME={out}"]
    output.table(Table(f"features in {out}", ("", "count"), rows, notes))
    output.result({"file": str(out), **told})


def _coverage(table: FeatureTable, data: Interactions, where: str) -> dict[str, int | float]:
    """How the dataset's items fare. InputError where none has features."""
    found = aligned(data, table, "in the making", where)
    missing = int(found.missing_I.sum())
    return {
        "items_of_the_dataset": data.n_items,
        "of_these_without_features": missing,
        "missing_share": found.missing_share,
        "features_of_unknown_items": len(table.item_ids) - (data.n_items - missing),
    }


def _cell(value: float | str) -> str:
    if isinstance(value, float):
        return f"{value:.1%}"
    return f"{value:,}" if isinstance(value, int) else value
