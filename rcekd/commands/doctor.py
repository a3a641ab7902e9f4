"""`rcekd doctor`: what this installation and this machine offer, and what has to be mended."""

from rcekd.commands import options
from rcekd.commands.console import Output
from rcekd.errors import InputError
from rcekd.reports.doctor import examine, tables


def doctor(
    data_dir: options.DataDir = None,
    quiet: options.Quiet = False,
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Check versions, the native core, cores, memory, folders and datasets; exit 2 where something must be mended."""
    del debug
    output = Output(as_json=as_json, quiet=quiet)
    found = examine(data_dir)
    for table in tables(found):
        output.table(table)
    output.result(found)
    if found["problems"]:
        raise InputError("; and ".join(found["problems"]))
    output.say("all is well")
