"""Whether draws follow a law."""

import torch
from scipy.stats import chisquare
from torch import Tensor


def assert_pairs_follow(found_R2: Tensor, law: dict[tuple[int, int], float]) -> None:
    """Rows of two draws come as often as the law says: by chi-square, and the rarest by their number alone."""
    count = torch.tensor([float(((found_R2[:, 0] == a) & (found_R2[:, 1] == b)).sum()) for a, b in law])
    assert int(count.sum()) == len(found_R2)  # nothing outside the law's support
    expected = len(found_R2) * torch.tensor(list(law.values()), dtype=torch.float64)
    rare = expected < 5
    assert int(count[rare].sum()) <= 6 + 3 * float(expected[rare].sum())
    expected, count = expected[~rare], count[~rare].double()
    assert chisquare(count.numpy(), (expected * count.sum() / expected.sum()).numpy()).pvalue > 1e-4
