"""Requests of draws by rank gap: what is refused, and what the core is told."""

from typing import Any

import pytest
import torch

from rcekd.kernels.gap import GapDraws
from rcekd.kernels.gap_requests import as_array, as_operands, as_structs, check_request, empty_lists
from rcekd.kernels.reference.gap import gap_key

SOUND = GapDraws(3, "exp", 1e-3, "over", stream=5)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"draws": -1}, "draws must lie in"),
        ({"stream": -1}, "stream must lie in"),
        ({"eps": 0.0}, "eps must lie in"),
        ({"eps": float("nan")}, "eps must lie in"),
        ({"weight": "relu"}, "weight must be"),
        ({"direction": "up"}, "direction must be"),
    ],
)
def test_misuse(change: dict[str, Any], match: str) -> None:
    check_request(SOUND)
    with pytest.raises(ValueError, match=match):
        check_request(SOUND._replace(**change))


def test_struct_and_array_say_what_was_asked() -> None:
    requests = [SOUND, GapDraws(2, "tanh", 0.1, "under", stream=0, replacement=True)]
    operands = as_operands(requests, seed=7, epoch=2, in_order=True)
    lists = empty_lists(4, operands[0], torch.device("cpu"))
    assert [(one.shape, one.dtype) for one in lists] == [((4, 3), torch.int32), ((4, 2), torch.int32)]
    structs = as_structs(operands, lists)
    assert structs == [
        (3, 1 + 2 + 8, 1e-3, gap_key(7, 2, 5), lists[0].data_ptr()),
        (2, 4 + 8, 0.1, gap_key(7, 2, 0), lists[1].data_ptr()),
    ]
    fields = [name for name, _ in as_array(operands, lists)._type_._fields_]
    assert [tuple(getattr(one, name) for name in fields) for one in as_array(operands, lists)] == structs
