"""The factor tables of a model at several moments of its training, which some methods teach from."""

from collections.abc import Callable
from pathlib import Path

import safetensors
import safetensors.torch

from rcekd.errors import InputError
from rcekd.models import FactorTables
from rcekd.training.files import write_bytes

MOMENTS = 8
"""At most so many are kept, besides the trained model itself."""


def interval(epochs: int) -> int:
    """Epochs from one kept moment to the next after so many epochs: doubled whenever there would be too many."""
    step = 1
    while epochs // step > MOMENTS:
        step *= 2
    return step


class Trajectory:
    """The files epoch-NNNNN.safetensors of a run, a function of the epochs done: resuming needs no state.

    Epochs count from 1 here: epoch-00005 is the model after five epochs.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, epochs: int, tables: FactorTables) -> None:
        """Take note of the model after `epochs` epochs, if it is its turn, and drop what is no longer wanted."""
        step = interval(epochs)
        if epochs % step:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        data = safetensors.torch.save({"user": tables.user_UD.contiguous(), "item": tables.item_ID.contiguous()})
        write_bytes(self._file(epochs), data)
        self._drop(lambda kept: kept % step != 0 or kept > epochs)

    def finish(self, best_epochs: int) -> None:
        """Drop what came after the model that training ended with, and that moment itself."""
        self._drop(lambda kept: kept >= best_epochs)

    def epochs(self) -> list[int]:
        """The moments kept, ascending."""
        return sorted(int(path.stem.split("-")[1]) for path in self._folder.glob("epoch-*.safetensors"))

    def read(self) -> list[FactorTables]:
        """The tables of every moment, earliest first. InputError for a damaged file."""
        return [self._read(self._file(epochs)) for epochs in self.epochs()]

    def _file(self, epochs: int) -> Path:
        return self._folder / f"epoch-{epochs:05d}.safetensors"

    def _drop(self, unwanted: Callable[[int], bool]) -> None:
        for epochs in filter(unwanted, self.epochs()):
            self._file(epochs).unlink(missing_ok=True)

    @staticmethod
    def _read(path: Path) -> FactorTables:
        try:
            found = safetensors.torch.load_file(path)
            return FactorTables(found["user"], found["item"])
        except (OSError, KeyError, ValueError, safetensors.SafetensorError) as error:
            raise InputError(f"{path}: damaged ({error}); train the teacher again with --keep-trajectory") from error
