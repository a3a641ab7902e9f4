"""The command line: `rcekd COMMAND`. Exit codes: 0 done, 1 our fault, 2 wrong input, 130 interrupted."""

from rcekd.commands.application import app, main

__all__ = ["app", "main"]
