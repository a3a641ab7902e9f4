"""The scenes of the methods' tests."""

from dataclasses import replace

import pytest
import torch

from rcekd.datasets.interactions import Interactions
from rcekd.kernels.csr import CSR
from tests.methods.scene import Scene, make_scene


@pytest.fixture
def scene(tiny_interactions: Interactions) -> Scene:
    """A teacher and a student on the checkerboard."""
    return make_scene(tiny_interactions)


@pytest.fixture
def uneven_scene(tiny_interactions: Interactions) -> Scene:
    """The same, but user u keeps 1 + u % 10 of the training items, and every fifth user none."""
    train = tiny_interactions.train
    kept = [0 if user % 5 == 4 else 1 + user % 10 for user in range(tiny_interactions.n_users)]
    rows = [train.indices[begin : begin + n] for begin, n in zip(train.indptr[:-1].tolist(), kept, strict=True)]
    thinned = CSR(torch.tensor([0, *kept]).cumsum(0), torch.cat(rows))
    return make_scene(replace(tiny_interactions, train=thinned, fingerprint="uneven"))
