"""The generator's twin against the published known answers; the native one is held to the twin by the ops that draw."""

import pytest
import torch

from rcekd.kernels.reference.philox import Stream, below, philox, philox_key, uniform53

ONES = 0xFFFFFFFF
# Random123's kat_vectors for philox4x32-10: counter, key, words.
KNOWN = [
    ((0, 0, 0, 0), 0, (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((ONES, ONES, ONES, ONES), 0xFFFFFFFFFFFFFFFF, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        0x299F31D0A4093822,
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


@pytest.mark.parametrize(("counter", "key", "words"), KNOWN, ids=["zeros", "ones", "pi"])
def test_known_answers(counter: tuple[int, ...], key: int, words: tuple[int, ...]) -> None:
    c0, c1, c2, c3 = (torch.tensor([c, c]) for c in counter)
    assert [word.tolist() for word in philox(key, c0, c1, c2, c3)] == [[w, w] for w in words]


def test_uniforms_stay_inside_the_open_interval() -> None:
    high, low = torch.tensor([0, ONES, 1 << 31]), torch.tensor([0, ONES, 0])
    assert uniform53(high, low).tolist() == [2.0**-53, 1.0 - 2.0**-53, 0.5 + 2.0**-53]


@pytest.mark.parametrize("n", [1, 2, 1000, 2**31 - 1])
def test_integers_below_n_are_the_top_bits_of_the_product(n: int) -> None:
    high, low = torch.tensor([0, ONES, 0x12345678]), torch.tensor([ONES, ONES, 0x9ABCDEF0])
    expected = [(((h << 32) | w) * n) >> 64 for h, w in zip(high.tolist(), low.tolist(), strict=True)]
    assert below(high, low, n).tolist() == expected


def test_seeds_epochs_and_streams_have_their_own_keys() -> None:
    keys = {philox_key(seed, epoch, stream) for seed in (-1, 0, 1, 2**40) for epoch in (0, 1, 2) for stream in Stream}
    assert len(keys) == 4 * 3 * len(Stream)
