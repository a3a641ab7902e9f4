"""The teacher of a run, found again as it taught."""

import torch

from rcekd.config import RunSettings, merge, resolve
from rcekd.experiments import teaching
from rcekd.experiments.place import Place


def test_a_teacher_is_found_at_its_temperature(settings: RunSettings, place: Place) -> None:
    warm = resolve([("warm", merge(settings.to_values(), {"teacher": {"temperature": 2.5}}))])
    data = place.data(warm)
    taught, found = teaching.find_or_train(warm, data, place, []), teaching.found(warm, data, place, [])
    for one, other in zip(taught.knowledge.tables, found.knowledge.tables, strict=True):
        assert torch.equal(one, other)
