"""Settings of the training loop."""

from typing import Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from rcekd.settings import Settings


class TrainSettings(Settings):
    """Optimiser, batches and stopping. The defaults are the RCE-KD authors' protocol."""

    epochs: PositiveInt = Field(default=1000, description="at most so many epochs")
    batch_size: PositiveInt = Field(
        default=2048, description="training interactions per step; of whole users for a backbone with a window"
    )
    optimizer: Literal["adam", "lazy-adam"] = Field(
        default="adam",
        description="lazy-adam: rows without gradient rest, for tables of millions of rows; other results than adam's",
    )
    learning_rate: PositiveFloat = Field(default=1e-3, description="step size of Adam")
    weight_decay: NonNegativeFloat = Field(default=1e-5, description="L2 coefficient, coupled (added to the gradient)")
    negatives: PositiveInt = Field(default=1, description="negatives per interaction, drawn anew each epoch")
    reduction: Literal["sum", "mean"] = Field(
        default="sum", description="whole loss summed or averaged over the batch: moves weight decay's scale, not λ's"
    )
    patience: NonNegativeInt = Field(
        default=30,
        description="stop after so many evaluations without gain; 0, or no validation pair in the data: never",
    )
    watch: Literal["ndcg@10", "ndcg@20", "recall@10", "recall@20"] = Field(
        default="ndcg@10",
        description="validation metric that chooses the best epoch; the last, where data has no validation pair",
    )
    eval_every: PositiveInt = Field(default=1, description="epochs from one evaluation to the next")
    cuda_graph: bool = Field(
        default=True,
        description="on a GPU, record a step and play it back, where model and method allow: the same results sooner",
    )
    checkpoint_seconds: NonNegativeFloat = Field(
        default=20.0, description="save what resuming needs at least this often (checked at the end of an epoch)"
    )
