"""`rcekd methods`: which distillation methods there are, what each needs, costs and is good for."""

from typing import Annotated

import typer

from rcekd.commands import options
from rcekd.commands.console import Output
from rcekd.methods import ALIASES, METHODS, check_name
from rcekd.reports.method_cards import card, cards, settings_of


def methods(
    name: Annotated[
        str | None, typer.Argument(help="one method, with its settings", autocompletion=options.complete_method)
    ] = None,
    quiet: options.Quiet = False,
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """List the distillation methods: paper, what the teacher must give, cost, and when to use each."""
    del debug
    output = Output(as_json=as_json, quiet=quiet)
    if name is None:
        output.table(cards(METHODS, ALIASES))
        output.result({"methods": [card(known, entry) for known, entry in METHODS.items()], "aliases": ALIASES})
        return
    chosen = {part: METHODS[part] for part in check_name(name).split("+")}
    output.table(cards(chosen, {}))
    for part, entry in chosen.items():
        room = f"method.{part}" if len(chosen) > 1 else "method"
        output.table(settings_of(part, entry, room))
    output.result({"methods": [card(part, entry) for part, entry in chosen.items()]})
