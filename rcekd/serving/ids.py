"""From the ids that users of a catalogue write to the places in the factor tables, and back."""

from collections.abc import Sequence

import numpy as np
import polars as pl
import torch
from torch import Tensor

from rcekd.errors import InputError

UNKNOWN = -1
_SHOWN = 40


class IdMap:
    """The ids of users, or of items: row n of the factor table is the one called `original[n]`."""

    def __init__(self, original: pl.Series, what: str) -> None:
        self.original, self.what = original, what
        self._places = pl.DataFrame({"id": original.cast(pl.String)}).with_row_index("place")

    def find(self, written: Sequence[str] | pl.Series) -> Tensor:
        """The place of each id, int32 [N]; UNKNOWN where it is none of ours."""
        asked = pl.DataFrame({"id": pl.Series(written, dtype=pl.String)})
        found = asked.join(self._places, on="id", how="left", maintain_order="left")["place"]
        return torch.from_numpy(found.cast(pl.Int64).fill_null(UNKNOWN).to_numpy().astype(np.int32))

    def refuse_unknown(self, written: Sequence[str], place_N: Tensor, where: str, hint: str = "") -> None:
        """InputError that names the first unknown id and how many there are. hint: what may be the reason."""
        missing = (place_N == UNKNOWN).nonzero().flatten()
        if missing.numel():
            first = written[int(missing[0])]
            others = f", and {missing.numel() - 1} more of {len(written)}" if missing.numel() > 1 else ""
            raise InputError(
                f"{where}: {self.what} {first[:_SHOWN]!r} is not in the data this model was trained on{others}; "
                f"correct it{hint}, or give --skip-unknown"
            )

    def names(self, place: np.ndarray) -> pl.Series:
        """The original ids of places, in the type that the data has them in; null for UNKNOWN."""
        places = pl.Series(place.reshape(-1), dtype=pl.Int64)
        return self.original.gather(places.set(places == UNKNOWN, None))
