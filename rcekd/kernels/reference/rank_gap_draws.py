"""Plain-torch draws by the gap between two models' ranks."""

from collections.abc import Sequence

import torch
from torch import Tensor

from rcekd.kernels.csr import CSR
from rcekd.kernels.gap import GapDraws
from rcekd.kernels.reference.gap import PROPOSE, REPLACE, gap_key, gap_words, race, towards
from rcekd.kernels.reference.philox import below, uniform53
from rcekd.kernels.reference.scores import chain_scores, require_finite
from rcekd.kernels.reference.topk import seen_mask
from rcekd.kernels.reference.unseen import nth_unseen

BLOCK = 64  # users at a time: the twin holds their rows of the score matrix


def proposals(unseen: Tensor, draws: int) -> Tensor:
    """How many proposals are made before all weights are computed instead; a multiple of sixteen."""
    return (4 * draws + unseen // 2 + 15) // 16 * 16


def _ranks(user_BD: Tensor, item_ID: Tensor, hidden_BI: Tensor, user_B: Tensor) -> Tensor:
    """int64 [B, I]: 1 for the best unseen item, equal scores by lowest id."""
    score_BI = chain_scores(user_BD, item_ID)
    require_finite(score_BI, user_B)
    order_BI = score_BI.masked_fill(hidden_BI, -torch.inf).sort(dim=1, descending=True, stable=True).indices
    rank_I = torch.arange(1, item_ID.shape[0] + 1, device=user_B.device)
    return torch.empty_like(order_BI).scatter_(1, order_BI, rank_I.expand_as(order_BI))


def _weights(gap_BI: Tensor, hidden_BI: Tensor, request: GapDraws, highest_B1: Tensor) -> Tensor:
    """Weights [B, I], at most 1 where no gap is above `highest`; 0 for what is hidden."""
    if request.weight == "tanh":
        weight_BI = (request.eps * gap_BI.double().clamp(min=0)).tanh()
    else:
        weight_BI = (request.eps * (gap_BI - highest_B1).double()).exp()
    return weight_BI.masked_fill(hidden_BI, 0.0)


class _Drawer:
    """One request for one block of users."""

    def __init__(self, request: GapDraws, key: int, gap_BI: Tensor, hidden_BI: Tensor, user_B: Tensor) -> None:
        self.request, self.key, self.hidden_BI, self.user_B = request, key, hidden_BI, user_B
        self.gap_BI = towards(request, gap_BI)
        self.unseen_B = (~hidden_BI).sum(1)
        self.drawn_BL = torch.full((user_B.numel(), request.draws), -1, device=user_B.device)
        self.count_B = torch.zeros_like(user_B)

    def words(self, number: Tensor, what: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        return gap_words(self.key, number, self.user_B, what)

    def append(self, item_BN: Tensor, good_BN: Tensor) -> None:
        """The good ones, in order, behind what has been drawn, as far as there is room."""
        place_BN = self.count_B[:, None] + good_BN.cumsum(1) - 1
        good_BN = good_BN & (place_BN < self.request.draws)
        row_BN = torch.arange(item_BN.shape[0], device=item_BN.device)[:, None].expand_as(item_BN)
        self.drawn_BL[row_BN[good_BN], place_BN[good_BN]] = item_BN[good_BN]
        self.count_B = self.count_B + good_BN.sum(1)

    def propose(self, seen: CSR | None) -> None:
        """Uniform proposals, each taken with probability its weight; without replacement an item is taken once."""
        batch, n_items = self.gap_BI.shape
        chance_BI = _weights(self.gap_BI, self.hidden_BI, self.request, self.unseen_B[:, None] - 1)
        allowed_B1 = proposals(self.unseen_B, self.request.draws)[:, None]
        number_P = torch.arange(int(allowed_B1.max()), device=self.user_B.device)
        word = self.words(number_P, PROPOSE)
        rank_BP = below(word[0], word[1], self.unseen_B.clamp(min=1)[:, None])
        item_BP = rank_BP if seen is None else nth_unseen(seen, self.user_B, rank_BP, n_items).long()
        item_BP = item_BP.clamp(max=n_items - 1)  # a user who has seen all: nothing will be taken
        good_BP = (uniform53(word[2], word[3]) < chance_BI.gather(1, item_BP)) & (number_P < allowed_B1)
        if not self.request.replacement:
            late = number_P.numel()
            number_BP = torch.where(good_BP, number_P, late)
            first_BI = number_P.new_full((batch, n_items), late).scatter_reduce(1, item_BP, number_BP, "amin")
            good_BP &= first_BI.gather(1, item_BP) == number_P
        self.append(item_BP, good_BP)

    def race(self) -> None:
        """The rest without replacement."""
        taken_BI = torch.nn.functional.pad(torch.zeros_like(self.hidden_BI), (0, 1))
        taken_BI = taken_BI.scatter(1, self.drawn_BL % taken_BI.shape[1], value=True)[:, :-1]
        number_BI = (~self.hidden_BI).cumsum(1) - 1
        closed_BI = taken_BI | self.hidden_BI
        time_BI, item_BI = race(self.request, self.key, self.user_B, number_BI, self.gap_BI, closed_BI)
        self.append(item_BI, time_BI < torch.inf)

    def replace(self) -> None:
        """The rest with replacement: by inversion of the summed weights."""
        highest_B1 = self.gap_BI.masked_fill(self.hidden_BI, -self.gap_BI.shape[1]).amax(1, keepdim=True)
        weight_BI = _weights(self.gap_BI, self.hidden_BI, self.request, highest_B1)
        sum_BI = weight_BI.cumsum(1)
        word = self.words(torch.arange(self.request.draws, device=self.user_B.device), REPLACE)
        at_BL = torch.searchsorted(sum_BI, uniform53(word[0], word[1]) * sum_BI[:, -1:], right=True)
        last_B1 = ((weight_BI > 0) * torch.arange(weight_BI.shape[1], device=at_BL.device)).amax(1, keepdim=True)
        free_BL = torch.arange(self.request.draws, device=at_BL.device) >= self.count_B[:, None]
        ordered_BL = torch.where(free_BL & (sum_BI[:, -1:] > 0), torch.minimum(at_BL, last_B1), self.drawn_BL)
        self.drawn_BL = ordered_BL


def _block(
    tables: Sequence[Tensor], requests: Sequence[GapDraws], keys: Sequence[int], user_B: Tensor, seen: CSR | None
) -> list[Tensor]:
    user_UD, item_ID, other_user_UE, other_item_IE = tables
    hidden_BI = seen_mask(seen, user_B, item_ID.shape[0])
    gap_BI = _ranks(user_UD[user_B], item_ID, hidden_BI, user_B)
    gap_BI = gap_BI - _ranks(other_user_UE[user_B], other_item_IE, hidden_BI, user_B)
    drawn = []
    for request, key in zip(requests, keys, strict=True):
        drawer = _Drawer(request, key, gap_BI, hidden_BI, user_B)
        drawer.propose(seen)
        drawer.replace() if request.replacement else drawer.race()
        drawn.append(drawer.drawn_BL.to(torch.int32))
    return drawn


def rank_gap_lists(
    user_UD: Tensor,
    item_ID: Tensor,
    other_user_UE: Tensor,
    other_item_IE: Tensor,
    requests: Sequence[GapDraws],
    *,
    seed: int,
    epoch: int,
    seen: CSR | None = None,
    users_B: Tensor | None = None,
) -> list[Tensor]:
    """See `rcekd.kernels.rank_gap_draws.rank_gap_lists`; takes any floating dtype, on any device."""
    user_B = torch.arange(user_UD.shape[0], device=user_UD.device) if users_B is None else users_B.long()
    if not user_B.numel() or not item_ID.shape[0]:
        return [torch.full((user_B.numel(), r.draws), -1, dtype=torch.int32, device=user_UD.device) for r in requests]
    tables = [table.detach() for table in (user_UD, item_ID, other_user_UE, other_item_IE)]
    keys = [gap_key(seed, epoch, request.stream) for request in requests]
    blocks = [_block(tables, requests, keys, part_B, seen) for part_B in torch.split(user_B, BLOCK)]
    return [torch.cat(parts) for parts in zip(*blocks, strict=True)]
