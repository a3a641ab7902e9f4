"""The file of an Optuna study, which any number of processes write, and which a full disk or a crash may cut short."""

import os
from pathlib import Path
from typing import Any, BinaryIO


def open_journal(optuna: Any, file: Path) -> Any:
    """Optuna's storage in a file, made where it is not there. optuna: the module, as it is an extra."""
    lasting = file.absolute()  # a link to it is optuna's lock
    backend = optuna.storages.journal.JournalFileBackend(str(lasting), _mending_lock(optuna, lasting))
    return optuna.storages.JournalStorage(backend)


def _mending_lock(optuna: Any, journal: Path) -> Any:
    """Optuna's lock of a journal, which it takes before every entry.

    Whoever has it drops a last line that a full disk or a crash cut short: the entry would be written onto it.
    """

    class Lock(optuna.storages.journal.JournalFileSymlinkLock):  # type: ignore[misc]
        def acquire(self) -> bool:
            held = bool(super().acquire())
            with open(journal, "rb+") as file:
                tail = file.seek(0, os.SEEK_END)
                while tail and not _ends_a_line(file, tail):
                    tail -= 1
                file.truncate(tail)
            return held

    return Lock(str(journal))


def _ends_a_line(file: BinaryIO, tail: int) -> bool:
    file.seek(tail - 1)
    return file.read(1) == b"\n"
