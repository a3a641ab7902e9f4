"""BM3, a multi-modal recommender that needs no negatives (Zhou et al., WWW 2023, arXiv 2207.05969).

Users and items have id vectors, propagated over the training graph as in LightGCN, and items a vector per modality:

    h_u, h_i = mean over layers of Âˡ E, and h_i + E_i        (eq. 3: the item's own vector once more)
    h_m = x_m W_m + b_m                                       (eq. 1: x_m the item's features of modality m)
    h̃ = h W + b, one predictor for all;  ḣ = h with some of its numbers dropped, without gradient

With C(x, y) = 1 − cos(x, y), an interaction (u, i) costs

    C(h̃_u, ḣ_i) + C(h̃_i, ḣ_u)  +  c · Σ over modalities of C(h̃_m, ḣ_i) + C(h̃_m, ḣ_m)

that is, reconstruction of the graph, alignment between modalities, and masked prediction within each. Negatives in a
batch are not used. Scores are h̃_u · h̃_i, as in the public code (enoche/MMRec, `full_sort_predict`).

Choices, where sources leave or differ: c = 2, layers without self-loops, repeated pairs as one edge, and the Xavier
initial values of vectors and maps are the public code's. Here features stay as given, where the code trains them; the
penalty on lengths of h is the optimiser's weight decay on the parameters; the biases begin at zero, since a bias drawn
as usual outweighs the small vectors; an item without features of a modality has no loss terms of it.

Scores do not see features: they shape W and, through the shared predictor, what it makes of the id vectors. An item
without training interactions has an id vector that nothing has trained, so it is ranked by chance. `cold: content`
(ours, no part of the paper) gives such an item the mean of its h̃_m, at the mean length of trained items' vectors.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar, Literal

import torch
from pydantic import Field, NonNegativeFloat
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity, embedding

from rcekd.datasets import Interactions
from rcekd.errors import InputError
from rcekd.kernels.propagate import layer_mean
from rcekd.models.base import Backbone, Batch, FactorTables, ModelSettings
from rcekd.models.step_cache import StepCache
from rcekd.streams import stream

# Rows of a pool of masks: an interaction takes one for each of its views.
_POOL = 4096


class BM3Settings(ModelSettings):
    """Settings of BM3."""

    TEACHER = MappingProxyType({"dim": 200})
    READS_FEATURES = True

    model: Literal["bm3"] = "bm3"
    dim: int = Field(default=20, ge=1, le=16384, description="width D of all vectors")
    layers: int = Field(default=1, ge=0, le=8, description="layers of propagation over the training graph")
    dropout: float = Field(default=0.5, ge=0.0, lt=1.0, description="share of a target's numbers that is dropped")
    content: NonNegativeFloat = Field(default=2.0, description="c: weight of the two losses of the modalities")
    cold: Literal["id", "content"] = Field(
        default="id", description="what an item without training interactions is scored by: its id, as the paper has it"
    )


class BM3(Backbone):
    """score(u, i) = h̃_u · h̃_i: propagated id vectors through the predictor."""

    name: ClassVar[str] = "bm3"

    def __init__(self, data: Interactions, settings: BM3Settings, generator: torch.Generator) -> None:
        super().__init__()
        if not data.features:
            raise InputError(
                f"model bm3 reads features of items, and {data.name} has none; make a file with `rcekd data features` "
                "and give it with --set data.features.NAME=FILE"
            )
        _check_names(data)
        self._data, self._settings, self._cache = data, settings, StepCache(self)
        self._mask_PD: Tensor | None = None
        self._placed: dict[str, tuple[Tensor, Tensor]] = {}
        dim = settings.dim
        self.user = nn.Parameter(torch.empty(data.n_users, dim))
        self.item = nn.Parameter(torch.empty(data.n_items, dim))
        self.predictor = nn.Parameter(torch.empty(dim, dim))
        self.predictor_bias = nn.Parameter(torch.zeros(dim))
        widths = {name: features.width for name, features in sorted(data.features.items())}
        self.modality = nn.ParameterDict({name: torch.empty(width, dim) for name, width in widths.items()})
        self.modality_bias = nn.ParameterDict({name: torch.zeros(dim) for name in widths})
        nn.init.xavier_uniform_(self.user, generator=generator)
        nn.init.xavier_uniform_(self.item, generator=generator)
        for weight in (self.predictor, *self.modality.values()):
            nn.init.xavier_normal_(weight, generator=generator)

    def begin_epoch(self, seed: int, epoch: int) -> None:
        generator = stream(seed, "bm3 dropout", epoch)
        drawn_PD = torch.rand(_POOL, self.dim, generator=generator)
        self._mask_PD = (drawn_PD >= self._settings.dropout).float().to(self.user.device)

    def loss(self, batch: Batch) -> Tensor:
        """Σ over the batch of reconstruction, alignment and masked prediction; negatives are not looked at."""
        user_B, item_B = batch.user_B.long(), batch.positive_B.long()
        user_UD, item_ID = self._embedded()
        user_BD, item_BD = embedding(user_B, user_UD), embedding(item_B, item_ID)
        near_user_BD = self._dropped(user_BD, user_B, item_B, view=0)
        near_item_BD = self._dropped(item_BD, user_B, item_B, view=1)
        loss_B = _distance(self._predicted(user_BD), near_item_BD) + _distance(self._predicted(item_BD), near_user_BD)
        for view, name in enumerate(self.modality, start=2):
            content_BD = self._content(name, item_B)
            predicted_BD = self._predicted(content_BD)
            align_B = _distance(predicted_BD, near_item_BD)
            masked_B = _distance(predicted_BD, self._dropped(content_BD, user_B, item_B, view=view))
            _, known_I = self._features(name)
            loss_B = loss_B + self._settings.content * known_I[item_B] * (align_B + masked_B)
        return loss_B.sum()

    def user_factors(self, users_B: Tensor | None = None) -> Tensor:
        user_UD = self._cache.get("user", lambda: self._predicted(self._embedded().user_UD))
        return user_UD if users_B is None else embedding(users_B.long(), user_UD)

    def item_factors(self) -> Tensor:
        return self._cache.get("item", self._item_factors)

    def modality_tables(self) -> Mapping[str, FactorTables]:
        """Of each modality h̃_u and h̃_m; zeros for an item without features of it."""
        user_UD = self.tables().user_UD
        with torch.no_grad():
            return {name: FactorTables(user_UD, self._predicted_content(name)) for name in self.modality}

    @property
    def dim(self) -> int:
        return self.user.shape[1]

    def _item_factors(self) -> Tensor:
        item_ID = self._predicted(self._embedded().item_ID)
        if self._settings.cold == "id":
            return item_ID
        trained_I = self._data.trained_I.to(item_ID.device)
        known_MI = torch.stack([self._features(name)[1] for name in self.modality])
        content_ID = torch.stack([self._predicted_content(name) for name in self.modality]).sum(0)
        content_ID = content_ID / content_ID.norm(dim=1, keepdim=True).clamp_min(1e-12)
        content_ID = content_ID * item_ID[trained_I].norm(dim=1).mean()
        return torch.where((~trained_I & known_MI.any(0))[:, None], content_ID, item_ID)

    def _predicted_content(self, name: str) -> Tensor:
        """h̃_m of all items, [I, D]; zeros where there are no features."""
        _, known_I = self._features(name)
        return self._predicted(self._content(name)) * known_I[:, None]

    def _content(self, name: str, items_B: Tensor | None = None) -> Tensor:
        """h_m of the listed items, [B, D]; None: of all."""
        value_IF, _ = self._features(name)
        value_BF = value_IF if items_B is None else value_IF[items_B]
        return torch.addmm(self.modality_bias[name], value_BF, self.modality[name])

    def _features(self, name: str) -> tuple[Tensor, Tensor]:
        """A modality's features [I, F], and which items have any [I], where the parameters are."""
        device = self.user.device
        if name not in self._placed or self._placed[name][0].device != device:
            features = self._data.features[name]
            self._placed[name] = (features.value_IF.to(device), ~features.missing_I.to(device))
        return self._placed[name]

    def _predicted(self, h_BD: Tensor) -> Tensor:
        return torch.addmm(self.predictor_bias, h_BD, self.predictor)

    def _dropped(self, h_BD: Tensor, user_B: Tensor, item_B: Tensor, *, view: int) -> Tensor:
        """A target: without gradient, some numbers zero. Lengths do not matter to a cosine, so nothing is scaled up."""
        target_BD = h_BD.detach()
        if not self.training or not self._settings.dropout:
            return target_BD
        if self._mask_PD is None:
            self.begin_epoch(0, 0)
        assert self._mask_PD is not None
        return target_BD * self._mask_PD[_pick(user_B, item_B, view)]

    def _embedded(self) -> FactorTables:
        """h_u of all users and h_i of all items."""
        user_UD, item_ID = self._cache.find("h_u"), self._cache.find("h_i")
        if user_UD is None or item_ID is None:
            user_UD, mean_ID = layer_mean(
                self._data.graph.to(self.user.device), self.user, self.item, self._settings.layers
            )
            user_UD, item_ID = self._cache.keep("h_u", user_UD), self._cache.keep("h_i", mean_ID + self.item)
        return FactorTables(user_UD, item_ID)


def _check_names(data: Interactions) -> None:
    """InputError for a modality that is called as something of torch's own, so that no weights can have its name."""
    empty = nn.ParameterDict()
    for name in data.features:
        if hasattr(empty, name):
            raise InputError(
                f"data.features.{name}: a model's weights cannot be called {name!r}; give the file another name, "
                f"e.g. --set data.features.item_{name.strip('_') or 'features'}=FILE"
            )


def _distance(online_BD: Tensor, target_BD: Tensor) -> Tensor:
    """1 − cosine, [B]."""
    return 1.0 - cosine_similarity(online_BD, target_BD, dim=1)


def _pick(user_B: Tensor, item_B: Tensor, view: int) -> Tensor:
    """A row of the pool of masks for each interaction, by a hash of who is in it: the same in whatever batch."""
    mixed_B = user_B * 0x9E3779B97F4A7C1 + item_B * 0x1656667B19E3779 + view * 0x27D4EB2F165667C
    mixed_B = (mixed_B ^ (mixed_B >> 31)) * 0x2545F4914F6CDD1D
    return (mixed_B ^ (mixed_B >> 29)).remainder(_POOL)
