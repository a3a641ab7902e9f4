"""What a student learns from: a teacher of any kind, frozen, and what it can give."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Literal

from torch import Tensor

from rcekd.errors import InputError
from rcekd.kernels.csr import CSR
from rcekd.kernels.pair_scores import pair_scores
from rcekd.kernels.topk import topk
from rcekd.models import Backbone, FactorTables
from rcekd.teachers.kept_lists import KeptLists
from rcekd.teachers.temperature import warmed

Need = Literal["lists", "scores", "factors", "trajectory", "modalities", "live"]

REMEDIES: dict[Need, str] = {
    "lists": "give a trained or imported teacher",
    "scores": "give a trained or imported teacher",
    "factors": "give a trained teacher, or import one as factor tables rather than as lists",
    "trajectory": "train the teacher with `rcekd train-teacher --keep-trajectory`",
    "modalities": "give a teacher with a factor table per modality, as bm3 has",
    "live": "give a teacher that rcekd trained, so that it can go on training",
}


class TeacherKnowledge(ABC):
    """A teacher as a method sees it. No gradient and no dropout can reach it.

    `gives` says which of the properties and functions answer; the others raise InputError with the remedy.
    """

    @property
    @abstractmethod
    def n_users(self) -> int: ...

    @property
    @abstractmethod
    def n_items(self) -> int: ...

    @property
    @abstractmethod
    def gives(self) -> frozenset[Need]:
        """What a method may ask this teacher for."""

    @abstractmethod
    def top_items(self, k: int, seen: CSR | None = None) -> Tensor:
        """The teacher's K best items of every user (outside `seen`), best first: int32 [U, K], −1 padded."""

    @abstractmethod
    def scores(self, user_R: Tensor, indptr: Tensor, items: Tensor) -> Tensor:
        """Scores of ragged lists, float32 [entries]: row r pairs user_R[r] with items[indptr[r]:indptr[r + 1]]."""

    @property
    def tables(self) -> FactorTables:
        """Factors [U, Dᵀ] and [I, Dᵀ], float32, detached."""
        raise missing("factors")

    @property
    def trajectory(self) -> Sequence[FactorTables]:
        """The teacher at several moments of its training, earliest first, the trained teacher last."""
        raise missing("trajectory")

    @property
    def modalities(self) -> Mapping[str, FactorTables]:
        """A pair of tables per modality, by its name."""
        raise missing("modalities")

    @property
    def model(self) -> Backbone:
        """The trained model itself; who wants to train it copies it first."""
        raise missing("live")

    @property
    def members(self) -> Sequence["TeacherKnowledge"]:
        """The teachers this one is made of: itself, unless it is an ensemble."""
        return (self,)


def missing(need: Need) -> InputError:
    """The error of asking a teacher for what it does not have."""
    return InputError(f"this teacher has no {need}; {REMEDIES[need]}")


def _detached(tables: FactorTables) -> FactorTables:
    return FactorTables(tables.user_UD.detach(), tables.item_ID.detach())


class FactorTeacher(TeacherKnowledge):
    """A teacher that is two factor tables, float32 [U, Dᵀ] and [I, Dᵀ]. Lists of the top K are computed once per K."""

    def __init__(
        self,
        tables: FactorTables,
        *,
        trajectory: Sequence[FactorTables] = (),
        modalities: Mapping[str, FactorTables] | None = None,
        model: Backbone | None = None,
    ) -> None:
        self._tables = _detached(tables)
        self._trajectory = [_detached(moment) for moment in trajectory]
        self._modalities = {name: _detached(tables) for name, tables in (modalities or {}).items()}
        self._model = model
        self._top = KeptLists()

    @property
    def n_users(self) -> int:
        return self._tables.n_users

    @property
    def n_items(self) -> int:
        return self._tables.n_items

    @property
    def gives(self) -> frozenset[Need]:
        found: set[Need] = {"lists", "scores", "factors"}
        found |= {"trajectory"} if self._trajectory else set()
        found |= {"modalities"} if self._modalities else set()
        found |= {"live"} if self._model is not None else set()
        return frozenset(found)

    def top_items(self, k: int, seen: CSR | None = None) -> Tensor:
        return self._top.get(k, seen, lambda: topk(self._tables.user_UD, self._tables.item_ID, k, seen=seen)[0])

    def scores(self, user_R: Tensor, indptr: Tensor, items: Tensor) -> Tensor:
        return pair_scores(self._tables.user_UD, self._tables.item_ID, user_R, indptr, items)

    @property
    def tables(self) -> FactorTables:
        return self._tables

    def at(self, temperature: float) -> "FactorTeacher":
        """This teacher with every score divided by a temperature; a live model stays as it is."""
        modalities = {name: warmed(tables, temperature) for name, tables in self._modalities.items()}
        trajectory = [warmed(moment, temperature) for moment in self._trajectory]
        own = warmed(self._tables, temperature)
        return FactorTeacher(own, trajectory=trajectory, modalities=modalities, model=self._model)

    @property
    def trajectory(self) -> Sequence[FactorTables]:
        if not self._trajectory:
            raise missing("trajectory")
        return self._trajectory

    @property
    def modalities(self) -> Mapping[str, FactorTables]:
        if not self._modalities:
            raise missing("modalities")
        return self._modalities

    @property
    def model(self) -> Backbone:
        if self._model is None:
            raise missing("live")
        return self._model
