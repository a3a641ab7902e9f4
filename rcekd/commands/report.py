"""`rcekd report`: the tables, tests and origins of an experiment's numbers, for people, papers and programs."""

from pathlib import Path
from typing import Annotated

import typer

from rcekd.commands import options
from rcekd.commands.console import Output
from rcekd.reports.experiment.document import REPORT, make_document
from rcekd.reports.experiment.writing import as_values, chosen_formats, write_report


def report(
    folder: Annotated[Path, typer.Argument(help="experiment folder that `rcekd run` has filled")],
    to: Annotated[Path | None, typer.Option("--to", metavar="DIR", help="where to write [FOLDER/report]")] = None,
    formats: Annotated[str, typer.Option("--format", help="which of md, tex, csv, html")] = "md,tex,csv,html",
    metric: Annotated[str | None, typer.Option("--metric", help="what the tests are about [ndcg@10]")] = None,
    against: Annotated[
        str | None,
        typer.Option("--against", metavar="LABEL", help="the method tested against the others [rcekd, or the file's]"),
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="LABEL", help="show a part, chosen as by `rcekd run --only`")
    ] = None,
    quiet: options.Quiet = False,
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Put an experiment's cells side by side: quality, gain, significance, cost, the paper's values, origins."""
    del debug
    output = Output(as_json=as_json, quiet=quiet)
    chosen, place = chosen_formats(formats), to or folder / REPORT
    document = make_document(folder, place, metric=metric, against=against, only=only or [])
    files = write_report(document, place, chosen)
    for sheet in document.sheets():
        output.table(sheet.plain())
    for line in [*document.protocol, *document.notes]:
        output.say(f"  {line}")
    output.say(f"  written: {', '.join(map(str, files))}")
    output.result({"folder": str(folder), "files": [str(file) for file in files], **as_values(document)})
