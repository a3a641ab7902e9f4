"""What a distillation method supplies: something to do when an epoch starts, and a loss for a batch."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Literal, NamedTuple, Self, TypeVar

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from rcekd.datasets import Interactions
from rcekd.devices import is_gpu
from rcekd.errors import InputError
from rcekd.kernels.batch_rows import batch_rows
from rcekd.kernels.set_cross_entropy import ItemSets, set_cross_entropy
from rcekd.models import Backbone, Batch
from rcekd.settings import Settings
from rcekd.stopwatch import Stopwatch
from rcekd.teachers import Need

Weighting = Literal["interaction", "user", "distinct"]


class MethodSettings(Settings):
    """What every method has."""

    VARIANTS: ClassVar[dict[str, dict[str, Any]]] = {}
    """By the value of `variant`, where there is one: the defaults that follow from it, by field."""

    name: str
    weight: float = Field(default=1.0, ge=0.0, alias="lambda", description="λ: weight of the loss beside the base loss")
    weighting: Weighting = Field(
        default="interaction",
        description=(
            "how often a user counts: once per training interaction in the batch; once per user and epoch "
            "(the 1/|U| Σ_u of the papers); or once per batch that the user occurs in"
        ),
    )

    @model_validator(mode="before")
    @classmethod
    def _fill_variant(cls, values: Any) -> Any:
        """A setting that is not given has the value of the chosen variant."""
        if not cls.VARIANTS or not isinstance(values, dict):
            return values
        chosen = cls.VARIANTS.get(str(values.get("variant", cls.model_fields["variant"].default)), {})
        given = {name for name in chosen if name in values or cls._key(name) in values}
        return {**{cls._key(name): value for name, value in chosen.items() if name not in given}, **values}

    @classmethod
    def variant_keys(cls) -> frozenset[str]:
        """The settings whose defaults follow from the variant, as a user writes them."""
        return frozenset(cls._key(name) for chosen in cls.VARIANTS.values() for name in chosen)

    @classmethod
    def _key(cls, name: str) -> str:
        """A field as a user writes it."""
        return cls.model_fields[name].alias or name

    def needs(self) -> frozenset[Need]:
        """What the teacher must give for these settings."""
        return frozenset({"lists", "scores"})

    def assistant_dim(self, teacher_dim: int | None, student_dim: int) -> int | None:
        """Width of the teacher assistant to be distilled first, by the same method; None: there is none.

        teacher_dim: None for a teacher of lists, which has no width.
        """
        del teacher_dim, student_dim
        return None

    def idle_epochs(self) -> int:
        """Epochs before the method begins, in which the base loss is alone; patience is not tried by them."""
        return 0

    def at_once(self) -> Self:
        """These settings, at full work from the first epoch on: what an epoch costs in the long run."""
        return self

    def list_lengths(self) -> dict[str, int]:
        """The settings that ask for so many items of the catalogue, by the key that a user writes."""
        return {}

    def check_catalogue(self, data: Interactions, prefix: str = "method") -> None:
        """InputError where a list is longer than the catalogue; prefix: what the settings stand under."""
        for key, length in self.list_lengths().items():
            if length > data.n_items:
                raise InputError(
                    f"{prefix}.{key}={length} is more than the {data.n_items} items of {data.name}; "
                    f"give at most {data.n_items}"
                )


Made = TypeVar("Made")


def require_started(made: Made | None) -> Made:
    """What `start_epoch` has made for the epoch. RuntimeError where it has not been called."""
    if made is None:
        raise RuntimeError("start_epoch has not been called")
    return made


class ListRows(NamedTuple):
    """Rows of a cross-entropy over item sets, a row per user and list: the users of the first list, of the second, …"""

    user_factor: Tensor
    """[*, D], differentiable."""
    user_R: Tensor
    """The user's row of `user_factor`."""
    set_R: Tensor
    """Set g·U + u for list g of user u, as `judged_sets` numbers them."""
    weight_R: Tensor

    def cross_entropy(self, item_ID: Tensor, sets: ItemSets, *, tau: float, slots: int) -> Tensor:
        """Σ of the rows' weighted cross-entropies (`set_cross_entropy`); `slots` bounds the items of their sets."""
        user_UD, user_R, set_R, weight_R = self
        return set_cross_entropy(user_UD, item_ID, sets, user_R, set_R, weight_R, tau=tau, slots=slots)


class Method(ABC):
    """A distillation loss. The loop, the data, the device, the seed and the logging belong to others.

    trained: what the method trains beside the student (projectors, a live teacher) and the state it carries from epoch
    to epoch, as buffers. The loop optimises its parameters with the student's and saves all of it for resuming; a
    method keeps no other memory of earlier epochs.
    """

    name: ClassVar[str]
    citation: ClassVar[str]
    cost: ClassVar[str]
    """What a step or an epoch costs, in symbols: B batch, K, L list lengths, D width, U users, I items."""
    use: ClassVar[str]
    """One line on when to use it."""

    def __init__(self, weighting: Weighting, data: Interactions) -> None:
        self.clock = Stopwatch(data.device)
        self.trained = nn.Module()
        self._weighting = weighting
        # A user who has seen everything is in no batch: there is no negative.
        self._length_U = data.train.lengths().where(data.seen.lengths() < data.n_items, 0)
        self._one_1U = torch.ones(1, data.n_users, device=data.device)
        self._share_U = self._epoch_share(self._length_U)

    @property
    def is_recordable(self) -> bool:
        """Whether `loss` can be recorded on a GPU and played back for other batches of the epoch.

        It can where it follows from the student's factors, the ids in the batch and what `start_epoch` made, draws
        nothing, counts nothing, and never waits for the device, as `rows` does. `own_loss` is then to be None.
        """
        return False

    def meet(self, student: Backbone) -> None:
        """Make what depends on the student (its width, its window); called once, before `trained` is looked into."""
        if student.window is not None:
            self._share_U = self._epoch_share(self._length_U.clamp(max=student.window))

    @abstractmethod
    def start_epoch(self, student: Backbone, epoch: int) -> None:
        """Freeze what holds for the epoch (item sets, teacher probabilities, weights). Epochs count from 0."""

    @abstractmethod
    def loss(self, student: Backbone, batch: Batch) -> Tensor:
        """The loss of a batch, on the scale of a sum over its interactions and without λ: a scalar."""

    def own_loss(self, batch: Batch) -> Tensor | None:
        """The loss of what the method trains for its own sake (a live teacher), added without λ; None: nothing."""
        del batch
        return None

    def report(self) -> dict[str, float]:
        """Figures about the epoch that belong into its log line."""
        return {}

    def rows(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """The distinct users of a batch and how much each counts.

        A user who occurs m times needs one loss with weight m, not m losses. Returns int64 [R] and float32 [R].
        Whatever the weighting, the weights of an average batch add up to its size, so that λ keeps its meaning.
        """
        user_R, count_R = torch.unique(batch.user_B.long(), return_counts=True)
        weight_R = count_R.to(torch.float32)
        if self._weighting == "user":
            weight_R = weight_R * self._share_U[user_R]
        elif self._weighting == "distinct":
            weight_R = torch.full_like(weight_R, batch.user_B.numel() / user_R.numel())
        return user_R, weight_R

    def rows_unwaited(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """The same for losses that add up over rows; on a GPU without the wait for how many users there are.

        There a row stands for each interaction, [B], the users (int32) ascending: a user's first row has the user's
        whole weight, the others have none.
        """
        if not is_gpu(batch.user_B.device):
            return self.rows(batch)
        user_B, _, weight_B = self._rows_of_lists(batch.user_B, self._one_1U)
        return user_B, weight_B

    def list_rows(self, student: Backbone, batch: Batch, scale_GU: Tensor) -> ListRows:
        """The rows of a batch for losses over G lists per user, list g of user u counting scale_GU[g, u] times.

        On a GPU they are rows of the student's whole table where it has one: a gather of some would cost its gradient.
        """
        if is_gpu(batch.user_B.device):
            user_R, set_R, weight_R = self._rows_of_lists(batch.user_B, scale_GU)
            if student.window is None:
                return ListRows(student.user_factors(), user_R, set_R, weight_R)
            row_R = torch.arange(batch.user_B.numel(), device=user_R.device)
            return ListRows(student.user_factors(user_R[: row_R.numel()]), row_R.repeat(len(scale_GU)), set_R, weight_R)
        user_R, weight_R = self.rows(batch)
        n_lists, n_users = scale_GU.shape
        set_GR = user_R + torch.arange(n_lists)[:, None] * n_users
        row_R, weight_GR = torch.arange(user_R.numel()).repeat(n_lists), weight_R * scale_GU[:, user_R]
        return ListRows(student.user_factors(user_R), row_R, set_GR.flatten(), weight_GR.flatten())

    def _rows_of_lists(self, user_B: Tensor, scale_GU: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """`batch_rows` by the method's weighting."""
        if self._weighting == "user":
            return batch_rows(user_B, scale_GU, self._share_U)
        user_R, set_R, weight_R = batch_rows(user_B, scale_GU if self._weighting == "interaction" else self._one_1U)
        if self._weighting == "interaction":
            return user_R, set_R, weight_R
        first_B = weight_R > 0
        mean = user_B.numel() / first_B.sum().to(torch.float32)
        user_R, set_R, _ = batch_rows(user_B, scale_GU)
        weight_GB = mean.expand_as(weight_R).where(first_B, 0.0) * scale_GU.flatten()[set_R].view(len(scale_GU), -1)
        return user_R, set_R, weight_GB.flatten()

    @staticmethod
    def _epoch_share(length_U: Tensor) -> Tensor:
        """(interactions / users with any) / (interactions of u): makes every user count the same over an epoch."""
        mean = length_U.sum() / (length_U > 0).sum().clamp(min=1)
        return (mean / length_U.clamp(min=1)).to(torch.float32)
