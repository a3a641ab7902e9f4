"""Interactions with a known answer, at any size: a user likes the items of the user's own parity."""

from dataclasses import replace

import polars as pl
import torch

from rcekd.datasets import Times
from rcekd.datasets.interactions import Interactions, content_fingerprint
from rcekd.datasets.item_features import ItemFeatures
from tests.conftest import rectangle


def bare(users: int, items: int) -> Interactions:
    """Interactions of a size: each user has item 0 in train, and nothing else is there."""
    train, none = (rectangle(torch.zeros(users, width, dtype=torch.int32)) for width in (1, 0))
    user_ids, item_ids = pl.Series(range(users)), pl.Series(range(items))
    fingerprint = content_fingerprint((train, none, none), user_ids, item_ids)
    return Interactions("bare", "random", users, items, train, none, none, user_ids, item_ids, fingerprint)


def checkerboard(users: int, items: int) -> Interactions:
    """Of the items/2 liked ones a user has 60 % in train, 1 in valid, 2 in test, the rest unseen."""
    generator = torch.Generator().manual_seed(users * items)
    liked = items // 2
    order_UI = torch.stack([2 * torch.randperm(liked, generator=generator) + user % 2 for user in range(users)])
    cut = max(1, 3 * liked // 5)
    train, valid, test = (rectangle(part) for part in order_UI[:, : cut + 3].split([cut, 1, 2], dim=1))
    user_ids, item_ids = pl.Series(range(users)), pl.Series(range(items))
    fingerprint = content_fingerprint((train, valid, test), user_ids, item_ids)
    return Interactions("board", "random", users, items, train, valid, test, user_ids, item_ids, fingerprint)


def furnished(data: Interactions) -> Interactions:
    """The same with two modalities of random features that say nothing; every seventh item lacks the second one."""
    generator = torch.Generator().manual_seed(data.n_items)
    image_IF, text_IF = (torch.randn(data.n_items, width, generator=generator) for width in (5, 3))
    none_I, some_I = torch.zeros(data.n_items, dtype=torch.bool), torch.arange(data.n_items) % 7 == 3
    text_IF[some_I] = 0.0
    features = {"image": ItemFeatures(image_IF, none_I, "image"), "text": ItemFeatures(text_IF, some_I, "text")}
    return replace(data, features=features)


def timed(data: Interactions) -> Interactions:
    """The same with times that say nothing: seconds to days from one interaction to the next."""
    generator = torch.Generator().manual_seed(data.n_items)
    sizes = [part.indices.numel() for part in (data.train, data.valid, data.test)]
    apart = torch.randn(sum(sizes), generator=generator, dtype=torch.float64).mul(3).add(8).exp().long()
    train, valid, test = apart.cumsum(0).split(sizes)
    return replace(data, times=Times.of(train, valid, test))
