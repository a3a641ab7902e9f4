"""What a teacher known by top-N lists is taken to think of all other items: one score per user, its floor.

floor_u = (last score of u's list) − m, with one margin m for all users, found together with the temperature τ on
validation: the pair under which the held-out items are the likeliest when softmax(score / τ) runs over the catalogue.
Held-out items outside the lists pull the floor up, those inside push it down, so that the share of probability that
falls outside the lists is the share of validation items that does. In β = 1/τ and φ = m/τ the loss is convex.
"""

from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from rcekd.datasets import Interactions
from rcekd.kernels.csr import CSR
from rcekd.teachers.temperature import UNJUDGED, Calibration, HeldOut, Judgement, golden_section, held_out, propose

# m/τ is sought up to here: e⁻²⁰ leaves nothing to an unlisted item.
_FURTHEST, _EXACT = 20.0, 0.02


class _Lists(NamedTuple):
    """The judged users' lists. score_RN: the scores of candidates a user has not seen, −inf for all else.

    last_R: the last score of the whole list. other_R: how many unseen candidates stand outside. target_R: sum of the
    scores of the held-out items inside the list. inside_R, outside_R: how many held-out items are.
    """

    score_RN: Tensor
    last_R: Tensor
    other_R: Tensor
    target_R: Tensor
    inside_R: Tensor
    outside_R: Tensor


def calibrate_lists(
    item_UN: Tensor, score_UN: Tensor, data: Interactions, tau: float | None = None
) -> tuple[Calibration, float]:
    """The temperature that validation proposes, and the margin m at `tau`, or at that proposal where `tau` is None.

    m is in the lists' own units of score. Where validation has nothing to say, it is `expected_margin`.
    """
    scene = held_out(data)
    if not scene.user_R.numel():
        return UNJUDGED, expected_margin(item_UN, score_UN, data.n_items)
    lists = _judged_lists(item_UN, score_UN, scene)
    listed_UN = item_UN >= 0
    spread = float(score_UN[listed_UN].std()) if int(listed_UN.sum()) > 1 else 0.0
    found = propose(lambda t: _judge(lists, t, _offset(lists, t)), spread, scene)
    chosen = tau or found.temperature or 1.0
    return found, _offset(lists, chosen) * chosen


def expected_margin(item_UN: Tensor, score_UN: Tensor, n_items: int) -> float:
    """Without validation: scores are taken to fall with ln(rank) on beyond the list as in its second half.

    The unlisted items are then put at the middle of the ranks that are left, (n + I) / 2.
    """
    length_U = (item_UN >= 0).sum(1)
    usable_U = length_U >= 4
    if not usable_U.any():
        return 1.0
    length_V, score_VN = length_U[usable_U], score_UN[usable_U]
    middle_V = length_V // 2
    last_V = score_VN.gather(1, length_V[:, None] - 1)[:, 0]
    drop_V = score_VN.gather(1, middle_V[:, None] - 1)[:, 0] - last_V
    slope_V = drop_V / (length_V / middle_V).log()
    return float((slope_V * ((length_V + n_items) / (2.0 * length_V)).log()).mean())


def floors(item_UN: Tensor, score_UN: Tensor, margin: float) -> Tensor:
    """The floor of every user, float32 [U]; 0 for a user without a list."""
    return _last(item_UN, score_UN) - margin


def _last(item_UN: Tensor, score_UN: Tensor) -> Tensor:
    length_U = (item_UN >= 0).sum(1)
    last_U = score_UN.gather(1, (length_U - 1).clamp(min=0)[:, None])[:, 0]
    return torch.where(length_U > 0, last_U, torch.zeros_like(last_U))


def _judged_lists(item_UN: Tensor, score_UN: Tensor, scene: HeldOut) -> _Lists:
    item_RN, score_RN = item_UN[scene.user_R].long(), score_UN[scene.user_R].double()
    n_candidates = scene.candidate_J.numel()
    place_RN = torch.searchsorted(scene.candidate_J, item_RN).clamp_(max=n_candidates - 1)
    known_RN = scene.candidate_J[place_RN] == item_RN  # padding, −1, is no candidate
    key_RN = torch.arange(item_RN.shape[0])[:, None] * n_candidates + place_RN
    open_RN = known_RN & (_count(key_RN, scene.seen, n_candidates) == 0)
    inside_RN = _count(key_RN, scene.target, n_candidates) * known_RN
    inside_R = inside_RN.sum(1)
    return _Lists(
        score_RN.masked_fill(~open_RN, -torch.inf),
        _last(item_UN, score_UN)[scene.user_R].double(),
        (n_candidates - scene.seen.lengths() - open_RN.sum(1)).double(),
        (score_RN * inside_RN).sum(1),
        inside_R.double(),
        (scene.target.lengths() - inside_R).double(),
    )


def _count(key_RN: Tensor, rows: CSR, width: int) -> Tensor:
    """How often row·width + column occurs in `rows`, int64 like the keys."""
    key_E, count_E = torch.unique(rows.rows().long() * width + rows.indices.long(), return_counts=True)
    if not key_E.numel():
        return torch.zeros_like(key_RN)
    place_RN = torch.searchsorted(key_E, key_RN).clamp_(max=key_E.numel() - 1)
    return torch.where(key_E[place_RN] == key_RN, count_E[place_RN], 0)


def _offset(lists: _Lists, tau: float) -> float:
    """φ = m/τ, the likeliest at this temperature."""
    return golden_section(partial(_nll, lists, tau), 0.0, _FURTHEST, _EXACT)


def _nll(lists: _Lists, tau: float, phi: float) -> float:
    floor_R, log_total_R = _totals(lists, tau, phi)
    loss_R = (lists.inside_R + lists.outside_R) * log_total_R - lists.target_R / tau - lists.outside_R * floor_R
    return float(loss_R.sum() / (lists.inside_R + lists.outside_R).sum())


def _judge(lists: _Lists, tau: float, phi: float) -> Judgement:
    floor_R, log_total_R = _totals(lists, tau, phi)
    logit_RN = lists.score_RN / tau
    p_RN = (logit_RN - log_total_R[:, None]).exp()
    outside_R = lists.other_R * (floor_R - log_total_R).exp()
    mean_R = (p_RN * logit_RN.masked_fill(p_RN == 0, 0.0)).sum(1) + outside_R * floor_R
    return Judgement(_nll(lists, tau, phi), float((log_total_R - mean_R).exp().mean()))


def _totals(lists: _Lists, tau: float, phi: float) -> tuple[Tensor, Tensor]:
    """The unlisted items' logit, and the log of the softmax's denominator, [R] each."""
    floor_R = lists.last_R / tau - phi
    others_R = lists.other_R.clamp(min=1e-300).log() + floor_R
    return floor_R, torch.logaddexp(torch.logsumexp(lists.score_RN / tau, 1), others_R)
