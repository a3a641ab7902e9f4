"""Dropout by key: the right share, the right mean, and the same masks for the same (seed, epoch) and calls."""

import pytest
import torch

from rcekd.models.keyed_dropout import KeyedDropout, random_bytes


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_share_and_mean(p: float) -> None:
    x = torch.ones(301, 333)
    dropped = KeyedDropout(p)(x, training=True)
    share = round(p * 256) / 256
    assert (dropped == 0).double().mean().item() == pytest.approx(share, abs=0.01)
    assert dropped.double().mean().item() == pytest.approx(1.0, abs=0.02)
    assert torch.unique(dropped).tolist() == pytest.approx([0.0, 1 / (1 - share)])


def test_the_key_and_the_place_among_the_calls_decide() -> None:
    x = torch.ones(64, 7)
    dropout = KeyedDropout(0.5)

    def calls(seed: int, epoch: int) -> list[torch.Tensor]:
        dropout.begin(seed, epoch)
        return [dropout(x, training=True) for _ in range(2)]

    first = calls(3, 4)
    torch.manual_seed(0)
    assert not torch.equal(*first)
    assert all(map(torch.equal, first, calls(3, 4)))
    assert not torch.equal(first[0], calls(4, 4)[0])
    assert not torch.equal(first[0], calls(3, 5)[0])


def test_nothing_is_dropped_outside_training_or_at_zero() -> None:
    x = torch.rand(5, 5)
    assert KeyedDropout(0.5)(x, training=False) is x
    assert KeyedDropout(0.0)(x, training=True) is x
    assert torch.isfinite(KeyedDropout(0.999)(x, training=True)).all()


def test_the_gradient_is_the_mask() -> None:
    x = torch.rand(40, 9, requires_grad=True)
    dropped = KeyedDropout(0.25)(x, training=True)
    dropped.sum().backward()
    assert torch.equal(x.grad, (dropped > 0) * (256 / 192))


def test_every_byte_is_uniform() -> None:
    """All eight bytes of a word, the one with the sign bit too."""
    found = random_bytes(torch.empty(80_001), 5)
    assert found.shape == (80_001,)
    for place in range(8):
        count = torch.bincount(found[place::8].long(), minlength=256).double()
        assert ((count - count.mean()) ** 2 / count.mean()).sum() < 380  # χ² with 255 degrees: p < 1e-6
