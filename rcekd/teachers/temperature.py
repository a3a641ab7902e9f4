"""The softmax temperature that fits a teacher's scores, found on validation.

Distillation reads softmax(score / τ) as the teacher's belief. A teacher made elsewhere may have scores on any scale: an
ALS model's lie within [0, 1], where the softmax of a catalogue is all but flat. The temperature proposed is the one
under which the held-out validation items are the most likely (Guo et al., ICML 2017, arXiv 1706.04599, for classes).
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from rcekd.datasets import Interactions
from rcekd.errors import InputError
from rcekd.kernels.csr import CSR
from rcekd.models import FactorTables

MOST_USERS = 1024
BLOCK_BYTES = 32 << 20
# The temperature is sought within this factor of the scores' spread, both ways, to this relative exactness.
_REACH, _EXACT = 100.0, 0.01
# Nats per validation item that a temperature has to win over the flat distribution to be believed.
_WORTH = 0.01
_GOLDEN = (math.sqrt(5.0) - 1.0) / 2.0


class Judgement(NamedTuple):
    """What softmax(score / τ) makes of the validation items.

    nll: mean negative log-likelihood of a validation item, in nats. effective: exp of the entropy, mean over users,
    the number of items that a softmax spreads over.
    """

    nll: float
    effective: float


class Calibration(NamedTuple):
    """A proposed temperature, with the judgement at τ = 1 and at the proposal.

    temperature: None where validation gives no reason to prefer one; `reason` says why. spread: standard deviation of
    the scores over a user's candidates, mean over users. flat: nll of a uniform choice.
    """

    temperature: float | None
    before: Judgement | None
    after: Judgement | None
    spread: float
    flat: float
    users: int
    reason: str | None = None


UNJUDGED = Calibration(None, None, None, 0.0, 0.0, 0, "no validation item can be judged")


class HeldOut(NamedTuple):
    """The validation items a teacher can be judged by.

    user_R: int64 [R], the users judged. target: R rows of items, numbered within the candidates. candidate_J: int64,
    the items that occur in train. seen: R rows, what of the candidates is taken out for each.
    """

    user_R: Tensor
    target: CSR
    candidate_J: Tensor
    seen: CSR


def held_out(data: Interactions, most_users: int = MOST_USERS) -> HeldOut:
    """Validation items that occur in train and are new to their user; at most so many users, evenly spaced.

    Items never trained on are left out on both sides: no teacher can have learnt them, and their validation items
    would only make the temperature as flat as it takes to reach them.
    """
    trained_I = data.trained_I
    number_I = torch.cumsum(trained_I, 0) - 1
    user_E, item_E = data.valid.rows().long(), data.valid.indices.long()
    seen_key = data.seen.rows().long() * data.n_items + data.seen.indices.long()
    fair_E = trained_I[item_E] & ~torch.isin(user_E * data.n_items + item_E, seen_key)
    targets = CSR.from_pairs(user_E[fair_E], number_I[item_E[fair_E]], data.n_users)
    user_R = (targets.lengths() > 0).nonzero()[:, 0]
    if user_R.numel() > most_users:
        user_R = user_R[torch.linspace(0, user_R.numel() - 1, most_users).long().to(user_R.device)]
    seen = CSR(data.seen.indptr, number_I[data.seen.indices.long()].to(torch.int32))
    return HeldOut(user_R, targets.take(user_R), trained_I.nonzero()[:, 0], seen.take(user_R))


def calibrate(tables: FactorTables, data: Interactions) -> Calibration:
    """The temperature of a factor teacher: golden-section search on ln τ, a block of users at a time.

    Costs some 20 passes of users × candidates × D multiply-adds over at most 1,024 users.
    """
    scene = held_out(data)
    if not scene.user_R.numel():
        return UNJUDGED
    item_JD = tables.item_ID[scene.candidate_J]
    user_RD = tables.user_UD[scene.user_R]
    spread = float(score_spread(FactorTables(user_RD, item_JD)).mean())
    return propose(lambda tau: judge(user_RD, item_JD, scene, tau), spread, scene)


def propose(judged: Callable[[float], Judgement], spread: float, scene: HeldOut) -> Calibration:
    """The best temperature for scores of this spread, or none where it gains nothing over a flat choice."""
    users = scene.user_R.numel()
    count_R = scene.target.lengths().double()
    free_R = (scene.candidate_J.numel() - scene.seen.lengths()).double()
    flat = float((count_R * free_R.log()).sum() / count_R.sum())
    before = judged(1.0)
    if spread <= 0.0:
        return Calibration(None, before, None, spread, flat, users, "all scores of a user are equal")
    centre, reach = math.log(spread), math.log(_REACH)
    log_tau = golden_section(lambda x: judged(math.exp(x)).nll, centre - reach, centre + reach, _EXACT)
    after = judged(math.exp(log_tau))
    if after.nll > flat - _WORTH:
        return Calibration(
            None, before, None, spread, flat, users, "the scores tell validation items no better than chance"
        )
    return Calibration(math.exp(log_tau), before, after, spread, flat, users)


def judge(user_RD: Tensor, item_JD: Tensor, scene: HeldOut, tau: float) -> Judgement:
    """softmax(scores / τ) over every judged user's unseen candidates; no more than a block of scores at a time."""
    loss, effective = 0.0, 0.0
    step = max(1, BLOCK_BYTES // (4 * item_JD.shape[0]))
    for begin in range(0, user_RD.shape[0], step):
        end = min(begin + step, user_RD.shape[0])
        logit_BJ = user_RD[begin:end] @ item_JD.T / tau
        row, column = _entries(scene.target, begin, end)
        target = logit_BJ[row, column]
        logit_BJ[_entries(scene.seen, begin, end)] = -torch.inf
        log_total_B = torch.logsumexp(logit_BJ, 1)
        loss += float((log_total_B[row] - target).double().sum())
        p_BJ = (logit_BJ - log_total_B[:, None]).exp_()
        mean_logit_B = (p_BJ * logit_BJ.masked_fill_(p_BJ == 0, 0.0)).sum(1)
        effective += float((log_total_B - mean_logit_B).exp().double().sum())
    return Judgement(loss / scene.target.indices.numel(), effective / user_RD.shape[0])


def golden_section(value: Callable[[float], float], low: float, high: float, exact: float) -> float:
    """Where `value`, falling then rising between low and high, is least; one call a step."""
    left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    at_left, at_right = value(left), value(right)
    while high - low > exact:
        if at_left <= at_right:
            high, right, at_right = right, left, at_left
            left = high - _GOLDEN * (high - low)
            at_left = value(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + _GOLDEN * (high - low)
            at_right = value(right)
    return (low + high) / 2.0


def warmed(tables: FactorTables, temperature: float) -> FactorTables:
    """The tables of score / τ, so that a softmax at temperature 1 is the calibrated one. InputError as `in_range`.

    Both sides bear a part, near √τ, so that a loss on factors weighs them as before. The items' is a power of two: no
    bit of a score depends on how τ is shared out.
    """
    items = 2.0 ** round(math.log2(temperature) / 2.0)
    divided = FactorTables(tables.user_UD / (temperature / items), tables.item_ID / items)
    return in_range(divided, f"at temperature {temperature:g}", "give a larger one")


def in_range(tables: FactorTables, where: str, remedy: str) -> FactorTables:
    """The tables, unless a score could be beyond float32: InputError, which begins and ends with these words."""
    most = torch.finfo(torch.float32).max
    largest = float(tables.user_UD.double().norm(dim=1).max() * tables.item_ID.double().norm(dim=1).max())
    if not largest <= most:
        raise InputError(
            f"{where}: the longest user and item vectors make scores up to {largest:.2g}, beyond the {most:.2g} of "
            f"float32; {remedy}"
        )
    return tables


def _entries(rows: CSR, begin: int, end: int) -> tuple[Tensor, Tensor]:
    """Row (from `begin`) and column of every entry of the rows begin:end, int64."""
    indptr = rows.indptr[begin : end + 1]
    row = torch.arange(end - begin, device=indptr.device).repeat_interleave(indptr.diff())
    return row, rows.indices[indptr[0] : indptr[-1]].long()


def score_spread(tables: FactorTables) -> Tensor:
    """Standard deviation of every user's scores over the items, float64 [U], from the items' covariance."""
    item_ID = tables.item_ID.double()
    centred_ID = item_ID - item_ID.mean(0)
    covariance_DD = centred_ID.T @ centred_ID / max(len(item_ID), 1)
    user_UD = tables.user_UD.double()
    return ((user_UD @ covariance_DD) * user_UD).sum(1).clamp(min=0.0).sqrt()
