"""The one door: a name or a path in, Interactions out."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl
import polars.selectors as cs

from rcekd.datasets.cache import cache_key, cache_path, read_cache, write_cache
from rcekd.datasets.features.attach import attach
from rcekd.datasets.formats import guess_formats
from rcekd.datasets.interactions import Interactions
from rcekd.datasets.lists import read_citeulike, read_lightgcn
from rcekd.datasets.places import Places
from rcekd.datasets.prepare import Plan, prepare
from rcekd.datasets.settings import DataSettings, FormatName
from rcekd.datasets.source import Source, SourceFile, find_source
from rcekd.datasets.split import TEST, TRAIN, VALID
from rcekd.datasets.synthetic import generate
from rcekd.datasets.tables import read_csv, read_parquet, read_recbole
from rcekd.errors import InputError

_PART_CODE = {"train": TRAIN, "valid": VALID, "test": TEST}


def load_dataset(
    name_or_path: str,
    settings: DataSettings,
    *,
    data_dir: Path | None = None,
    cache_dir: Path | None = None,
) -> Interactions:
    """Find, fetch at need, read, prepare and split a dataset; the result is kept in the cache for the next time.

    `data_dir`: folder of raw files, else RCEKD_DATA_DIR, else the cache's `data/`. `cache_dir`: else RCEKD_CACHE_DIR,
    else the platform's cache folder of the user. Features of items are not cached but read where they are. Raises
    InputError for whatever is wrong with name, files or settings.
    """
    places = Places.find(data_dir, cache_dir)
    source = find_source(name_or_path, places)
    plan = Plan.of(settings, source.defaults)
    key = cache_key(source, plan, settings)
    path = cache_path(places.prepared, source.name, key)
    data = read_cache(path)
    if data is None:
        data = prepare(source.name, read_source(source, settings), plan)
        if cache_key(source, plan, settings) != key:
            raise InputError(f"{source.name}: a file of it changed while it was read; give the command again")
        write_cache(path, data)
    return attach(data, settings.features)


def read_source(source: Source, settings: DataSettings) -> pl.DataFrame:
    """The raw table: columns user, item, and where known rating, time, part; rows in file order, train first."""
    if not source.files:
        return generate(settings.synthetic)
    given = settings.format or source.format
    formats = [given] * len(source.files) if given else guess_formats([file.path for file in source.files])
    tables = []
    for file, format_name in zip(source.files, formats, strict=True):
        table = _read(file.path, format_name, settings)
        if file.part is not None:
            table = table.with_columns(pl.lit(_PART_CODE[file.part], dtype=pl.UInt8).alias("part"))
        tables.append(table)
    _refuse_unlike_times(source.files, tables)
    return _stacked(tables)


def _read(path: Path, format_name: FormatName, settings: DataSettings) -> pl.DataFrame:
    match format_name:
        case "citeulike":
            return read_citeulike(path)
        case "lightgcn":
            return read_lightgcn(path)
        case "recbole":
            return read_recbole(path, settings.columns)
        case "parquet":
            return read_parquet(path, settings.columns)
        case "freerec":
            return read_csv(path, settings.columns, settings.separator or "\t")
        case "csv":
            return read_csv(path, settings.columns, settings.separator)


def _refuse_unlike_times(files: Sequence[SourceFile], tables: list[pl.DataFrame]) -> None:
    """Nothing says in which unit numbers are, so that they cannot stand beside dates."""
    if not all("time" in table.columns for table in tables):
        return
    dated = [table.schema["time"].is_temporal() for table in tables]
    if any(dated) and not all(dated):
        raise InputError(
            f"{files[dated.index(True)].path} has dates where {files[dated.index(False)].path} has numbers; write all "
            "times alike; data.columns.time=- leaves them unread"
        )


def _stacked(tables: list[pl.DataFrame]) -> pl.DataFrame:
    """One table of the columns that all have. Where kinds differ, text wins for ids and fractions for times.

    Dates become microseconds since 1970.
    """
    shared = [name for name in tables[0].columns if all(name in table.columns for table in tables)]
    tables = [table.with_columns(cs.temporal().cast(pl.Int64)) for table in tables]
    kinds = {name: {table.schema[name] for table in tables} for name in shared}
    wider: dict[str, pl.DataType] = {
        name: pl.String() if name in ("user", "item") else pl.Float64()
        for name, found in kinds.items()
        if len(found) > 1
    }
    return pl.concat(
        [table.select(shared).with_columns(pl.col(name).cast(kind) for name, kind in wider.items()) for table in tables]
    )
