"""A plain linear map from the student's width to another model's."""

from torch import nn

from rcekd.streams import stream


def projection(width: int, wanted: int, *, seed: int, purpose: str) -> nn.Module:
    """A map without bias, N(0, 1/width) at first; the identity where both widths are the same."""
    if width == wanted:
        return nn.Identity()
    linear = nn.Linear(width, wanted, bias=False)
    nn.init.normal_(linear.weight, std=width**-0.5, generator=stream(seed, purpose))
    return linear
