"""Distillation methods. `METHODS` is the one table from a name to its settings and its class."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from rcekd.datasets import Interactions
from rcekd.errors import InputError, nearest
from rcekd.methods.alone import AloneSettings
from rcekd.methods.base import Method, MethodSettings
from rcekd.methods.bd import BD, BDSettings
from rcekd.methods.cd import CD, CDSettings
from rcekd.methods.combined import Combined, CombinedSettings, combined_class, part_names
from rcekd.methods.cross_entropy import CrossEntropy, CrossEntropySettings
from rcekd.methods.dcd import DCD, DCDSettings
from rcekd.methods.de import DE, DESettings
from rcekd.methods.freqd import FreqD, FreqDSettings
from rcekd.methods.ftd import FTD, FTDSettings
from rcekd.methods.hetcomp import HetComp, HetCompSettings
from rcekd.methods.htd import HTD, HTDSettings
from rcekd.methods.pckd import PCKD, PCKDSettings
from rcekd.methods.promptmm import PromptMM, PromptMMSettings
from rcekd.methods.rankdistil import RankDistil, RankDistilSettings
from rcekd.methods.rcekd import RCEKD, RCEKDSettings
from rcekd.methods.rd import RD, RDSettings
from rcekd.methods.rrd import RRD, RRDSettings
from rcekd.methods.tarec import TARec, TARecSettings
from rcekd.methods.unkd import UnKD, UnKDSettings
from rcekd.teachers import TeacherKnowledge
from rcekd.teachers.knowledge import REMEDIES

__all__ = [
    "METHODS",
    "RCEKD",
    "Combined",
    "CombinedSettings",
    "CrossEntropy",
    "Method",
    "MethodSettings",
    "RCEKDSettings",
    "build_method",
    "check_name",
    "check_needs",
    "find",
    "method_settings",
    "part_names",
    "settings_class",
]


class Entry(NamedTuple):
    """A method's settings and how it is built; None for `none`, which is no loss."""

    settings: type[MethodSettings]
    build: type[Method] | None


METHODS: dict[str, Entry] = {
    "none": Entry(AloneSettings, None),
    "ce": Entry(CrossEntropySettings, CrossEntropy),
    "rcekd": Entry(RCEKDSettings, RCEKD),
    "rd": Entry(RDSettings, RD),
    "cd": Entry(CDSettings, CD),
    "rrd": Entry(RRDSettings, RRD),
    "dcd": Entry(DCDSettings, DCD),
    "unkd": Entry(UnKDSettings, UnKD),
    "bd": Entry(BDSettings, BD),
    "hetcomp": Entry(HetCompSettings, HetComp),
    "promptmm": Entry(PromptMMSettings, PromptMM),
    "rankdistil": Entry(RankDistilSettings, RankDistil),
    "tarec": Entry(TARecSettings, TARec),
    "de": Entry(DESettings, DE),
    "ftd": Entry(FTDSettings, FTD),
    "htd": Entry(HTDSettings, HTD),
    "freqd": Entry(FreqDSettings, FreqD),
    "pckd": Entry(PCKDSettings, PCKD),
}

# Combinations with a name of their own.
ALIASES: dict[str, str] = {"de-rrd": "rrd+de"}

Build = Callable[[Any, TeacherKnowledge, Interactions, int], Method]


def find(name: str) -> Entry:
    """The entry of a method; InputError with the nearest name when there is none."""
    if name not in METHODS:
        raise InputError(f"unknown method {name!r}{nearest(name, METHODS)}")
    return METHODS[name]


def check_name(name: str) -> str:
    """The method's own name for what a user wrote; InputError where it, or a part of a combination, is not known."""
    name = ALIASES.get(name, name)
    parts = part_names(name)
    for part in parts:
        if find(part).build is None and len(parts) > 1:
            raise InputError(f"method {name!r}: {part!r} is no loss and cannot be combined; leave it out")
    if len(set(parts)) < len(parts):
        raise InputError(f"method {name!r} names a part twice; name each once")
    return name


def settings_class(name: str) -> type[MethodSettings]:
    """The settings class of a method or combination."""
    parts = part_names(check_name(name))
    return (
        find(parts[0]).settings if len(parts) == 1 else combined_class(*((part, find(part).settings) for part in parts))
    )


def method_settings(value: Mapping[str, Any]) -> MethodSettings:
    """The settings of the method or combination that `value["name"]` names."""
    name = check_name(str(value.get("name", "rcekd")))
    return settings_class(name).model_validate({**value, "name": name}, by_name=False)


def check_needs(settings: MethodSettings, teacher: TeacherKnowledge) -> None:
    """InputError, with how to get it, where the teacher lacks what the method needs."""
    for need in sorted(settings.needs() - teacher.gives):
        raise InputError(f"method {settings.name} needs a teacher's {need}, which this one has not; {REMEDIES[need]}")


def build_method(
    settings: MethodSettings, teacher: TeacherKnowledge, data: Interactions, *, seed: int
) -> Method | None:
    """The method ready for its first epoch; None for `none`, the student alone."""
    check_needs(settings, teacher)
    if isinstance(settings, CombinedSettings):
        settings.check_catalogue(data)  # here, where the parts' names are known
        parts = [build_method(part, teacher, data, seed=seed) for part in settings.parts.values()]
        return Combined(settings, [part for part in parts if part is not None], data)
    chosen = find(settings.name).build
    if chosen is None:
        return None
    build: Build = chosen
    return build(settings, teacher, data, seed)
