"""The factor tables of a model at several moments of its training: some methods teach from them, analysis replays them.

Which moments are kept is a function of the epochs done and of nothing else, so resuming needs no state.
"""

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


def evenly(kept: int, epochs: int) -> bool:
    """Whether the model after `kept` epochs is wanted once `epochs` are done: what a teacher keeps."""
    return kept % interval(epochs) == 0


def evenly_with_reserve(kept: int, epochs: int) -> bool:
    """The same while training lasts, and 1, 2, 4, 8, … in reserve: the best epoch may come before all the others."""
    return kept & (kept - 1) == 0 or evenly(kept, epochs)


SPAN = 100
"""The earliest moment that a student keeps, beside the untrained model, is one in so many of its epochs."""


def geometrically(kept: int, epochs: int) -> bool:
    """The same for a student: four moments to every doubling, so that any share of the epochs above 1/SPAN lies near.

    1, 2, …, 8, 10, 12, 14, 16, 20, … (three leading bits): a moment is at most an eighth of the wanted epoch off it,
    whenever training ends, and at most 29 are kept, the untrained and the last model among them.
    """
    leading = kept >> max(0, kept.bit_length() - 3) << max(0, kept.bit_length() - 3)
    return kept == 0 or (kept == leading and kept * SPAN >= epochs)


class Trajectory:
    """The files epoch-NNNNN.safetensors of a run.

    Epochs count from 1 here: epoch-00005 is the model after five epochs, epoch-00000 the untrained one.
    wanted: whether a moment is kept, given the epochs done.
    """

    def __init__(self, folder: Path, wanted: Callable[[int, int], bool] = evenly) -> None:
        self._folder = folder
        self._wanted = wanted

    def keep(self, epochs: int, tables: FactorTables) -> None:
        """Write the model after `epochs` epochs, if it is its turn."""
        if self._wanted(epochs, epochs):
            self.write(epochs, tables)

    def write(self, epochs: int, tables: FactorTables) -> None:
        """Keep the model after `epochs` epochs, whether or not it is its turn, and drop what is no longer wanted."""
        self._folder.mkdir(parents=True, exist_ok=True)
        user_UD, item_ID = (table.cpu().contiguous() for table in tables)
        data = safetensors.torch.save({"user": user_UD, "item": item_ID})
        write_bytes(self._file(epochs), data)
        self._drop(lambda kept: kept > epochs or (kept < epochs and not self._wanted(kept, epochs)))

    def finish(self, best_epochs: int, epochs: int) -> None:
        """Drop what came after the model that training ended with, and that moment itself.

        What is left is evenly spread over the `epochs` trained; where none of that came before, it is the reserve.
        """
        # Others are thinned out when one is written, which may have been some epochs ago.
        latest = max(done for done in range(epochs + 1) if evenly(done, done))
        before = [kept for kept in self.epochs() if kept < best_epochs]
        left = [kept for kept in before if evenly(kept, latest)] or before
        self._drop(lambda kept: kept not in left)

    def epochs(self) -> list[int]:
        """The moments kept, ascending."""
        return sorted(int(path.stem.split("-")[1]) for path in self._folder.glob("epoch-*.safetensors"))

    def read(self) -> list[FactorTables]:
        """The tables of every moment, earliest first. InputError for a damaged file."""
        return list(self.read_all().values())

    def read_all(self) -> dict[int, FactorTables]:
        """The same by the epochs done."""
        return {epochs: self._read(self._file(epochs)) for epochs in self.epochs()}

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
            raise InputError(f"{path}: damaged ({error}); train it again with --keep-trajectory") from error
