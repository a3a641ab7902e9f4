"""What a student learns from: a teacher frozen into two factor tables and its top-K lists."""

from torch import Tensor

from rcekd.kernels.csr import CSR
from rcekd.kernels.pair_scores import pair_scores
from rcekd.kernels.topk import topk
from rcekd.models import FactorTables


class TeacherKnowledge:
    """A teacher of any kind, frozen. It holds no model, so no gradient and no dropout can reach it.

    tables: factors [U, Dᵀ] and [I, Dᵀ], float32, detached. Lists of the top K are computed once per K.
    """

    def __init__(self, tables: FactorTables) -> None:
        self.tables = FactorTables(tables.user_UD.detach(), tables.item_ID.detach())
        self._top: dict[tuple[int, int | None], Tensor] = {}

    @property
    def n_users(self) -> int:
        return self.tables.n_users

    @property
    def n_items(self) -> int:
        return self.tables.n_items

    def top_items(self, k: int, seen: CSR | None = None) -> Tensor:
        """The teacher's K best items of every user (outside `seen`), best first: int32 [U, K], −1 padded."""
        key = (k, None if seen is None else id(seen))
        if key not in self._top:
            self._top[key], _ = topk(self.tables.user_UD, self.tables.item_ID, k, seen=seen)
        return self._top[key]

    def scores(self, user_R: Tensor, indptr: Tensor, items: Tensor) -> Tensor:
        """Scores of ragged lists, float32 [entries]: row r pairs user_R[r] with items[indptr[r]:indptr[r + 1]]."""
        return pair_scores(self.tables.user_UD, self.tables.item_ID, user_R, indptr, items)
