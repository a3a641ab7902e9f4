"""A teacher that is known by its top-N lists alone: the best N items of every user with their scores, and no more."""

import torch
from torch import Tensor

from rcekd.errors import InputError
from rcekd.kernels.csr import CSR
from rcekd.teachers.kept_lists import KeptLists
from rcekd.teachers.knowledge import Need, TeacherKnowledge


class ListTeacher(TeacherKnowledge):
    """item_UN: int32 [U, N], best first, −1 where a list ends early. score_UN: float32 [U, N], falling.

    floor_U: float32 [U], the score of every item that is not in the user's list; not above the last score there.
    """

    def __init__(self, item_UN: Tensor, score_UN: Tensor, floor_U: Tensor, n_items: int) -> None:
        self._item_UN, self._n_items, self._floor_U = item_UN, n_items, floor_U
        listed_UN = item_UN >= 0
        user_E = torch.arange(item_UN.shape[0], device=item_UN.device)[:, None].expand_as(item_UN)[listed_UN]
        key_E, order_E = torch.sort(user_E * n_items + item_UN[listed_UN].long())
        self._key_E, self._score_E = key_E, score_UN[listed_UN][order_E]
        self._top = KeptLists()

    @property
    def n_users(self) -> int:
        return self._item_UN.shape[0]

    @property
    def n_items(self) -> int:
        return self._n_items

    @property
    def length(self) -> int:
        """N, the length of the longest list."""
        return self._item_UN.shape[1]

    @property
    def gives(self) -> frozenset[Need]:
        return frozenset({"lists", "scores"})

    def top_items(self, k: int, seen: CSR | None = None) -> Tensor:
        """The first k of every list, −1 where a user has fewer. InputError where no list is that long."""
        if k > self.length:
            raise InputError(
                f"this teacher is known by its top {self.length} items only, and its top {k} are asked for; "
                f"import longer lists, or set the method's K (rrd's and dcd's pool, cd's R, rankdistil's n) to at most "
                f"{self.length}"
            )
        return self._top.get(k, seen, lambda: self._first(k, seen))

    def scores(self, user_R: Tensor, indptr: Tensor, items: Tensor) -> Tensor:
        """The listed score, else the user's floor: float32 [entries]."""
        user_E = user_R.long().repeat_interleave(indptr.diff())
        if not self._key_E.numel():
            return self._floor_U[user_E]
        wanted_E = user_E * self._n_items + items.long()
        place_E = torch.searchsorted(self._key_E, wanted_E).clamp_(max=self._key_E.numel() - 1)
        return torch.where(self._key_E[place_E] == wanted_E, self._score_E[place_E], self._floor_U[user_E])

    def _first(self, k: int, seen: CSR | None) -> Tensor:
        found_UN = self._item_UN if seen is None else self._without(seen)
        return found_UN[:, :k].contiguous()

    def _without(self, seen: CSR) -> Tensor:
        """The lists with seen items taken out and the rest moved up."""
        dropped_UN = seen.holds(self._item_UN) | (self._item_UN < 0)
        order_UN = torch.argsort(dropped_UN.to(torch.int8), dim=1, stable=True)
        return self._item_UN.masked_fill(dropped_UN, -1).gather(1, order_UN)
