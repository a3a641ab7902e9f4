"""From terms to a short vector per item: tf-idf, then its best approximation of low rank (latent semantic analysis).

Deerwester et al., Indexing by Latent Semantic Analysis, JASIS 41(6), 1990. The decomposition is the randomised one of
Halko, Martinsson and Tropp (SIAM Review 53(2), 2011, algorithms 4.4 and 5.1), in float64 and with a generator of its
own.
"""

import numpy as np
import torch
from torch import Tensor

from rcekd.datasets.features.table import FeatureTable
from rcekd.datasets.features.terms import Terms
from rcekd.errors import InputError
from rcekd.streams import stream

_OVERSAMPLE, _ROUNDS = 16, 6


def reduced(terms: Terms, width: int, *, least: int = 2, seed: int = 0, where: str = "the terms") -> FeatureTable:
    """A vector [width] of every item that has a term left: inner products are about those of the tf-idf vectors.

    least: terms of fewer items are left out. InputError where too few items or terms are left for the width.
    """
    item, value_XT = tfidf(terms, least=least, where=where)
    rows, columns = value_XT.shape
    if width > min(rows, columns):
        raise InputError(
            f"{where}: {rows:,} items with {columns:,} terms that {least} or more items have; that is too little for "
            f"--width {width}; lower it, or --least"
        )
    value_XF = truncated_svd(value_XT, width, seed=seed)
    return FeatureTable.checked(terms.item_ids.gather(item.numpy()), value_XF.float().numpy(), where)


def tfidf(terms: Terms, *, least: int, where: str = "the terms") -> tuple[Tensor, Tensor]:
    """(item [X], value_XT): rows of terms.item_ids that have a term left, and their weights, sparse float64 [X, T].

    weight = (1 + ln count) · (1 + ln((1 + items) / (1 + items with the term))), rows of length one.
    """
    having = np.bincount(terms.term, minlength=terms.n_terms)
    kept = np.flatnonzero(having >= least)
    place = np.full(terms.n_terms, -1)
    place[kept] = np.arange(len(kept))
    stays = place[terms.term] >= 0
    if not stays.any():
        raise InputError(f"{where}: no term is shared by {least} items; lower --least")
    item, row = np.unique(terms.item[stays], return_inverse=True)
    column = place[terms.term[stays]]
    weight = (1.0 + np.log(terms.count[stays])) * (
        1.0 + np.log((1.0 + len(terms.item_ids)) / (1.0 + having[terms.term[stays]]))
    )
    weight /= np.sqrt(np.bincount(row, weights=weight**2))[row]
    place_2N = torch.from_numpy(np.stack([row, column]))
    value_XT = torch.sparse_coo_tensor(
        place_2N, torch.from_numpy(weight), size=(len(item), len(kept)), check_invariants=True
    )
    return torch.from_numpy(item), value_XT.coalesce()


def truncated_svd(value_XT: Tensor, width: int, *, seed: int = 0) -> Tensor:
    """U·S of the best approximation of rank `width` of a sparse matrix [X, T], float64 [X, width].

    Columns fall in length; of each the entry of largest magnitude is positive, so that signs are no chance.
    """
    rows, columns = value_XT.shape
    tried = min(width + _OVERSAMPLE, rows, columns)
    value_TX = value_XT.t().coalesce()
    start_TS = torch.randn(columns, tried, dtype=torch.float64, generator=stream(seed, "truncated svd"))
    basis_XS, _ = torch.linalg.qr(value_XT @ start_TS)
    for _ in range(_ROUNDS):
        basis_TS, _ = torch.linalg.qr(value_TX @ basis_XS)
        basis_XS, _ = torch.linalg.qr(value_XT @ basis_TS)
    left_SS, length_S, _ = torch.linalg.svd((value_TX @ basis_XS).T, full_matrices=False)
    found_XF: Tensor = basis_XS @ (left_SS * length_S)[:, :width]
    peak_F = found_XF.abs().argmax(0)
    sign_F = found_XF[peak_F, torch.arange(width)].sign()
    found_XF *= torch.where(sign_F == 0, 1.0, sign_F)
    return found_XF
