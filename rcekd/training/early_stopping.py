"""Keeps the best epoch's weights and says when to stop."""

from dataclasses import dataclass, field

from torch import Tensor


@dataclass
class BestEpoch:
    """The best validation value so far, the weights that gave it, and the evaluations since."""

    epoch: int = -1
    value: float = float("-inf")
    stale: int = 0
    weights: dict[str, Tensor] = field(default_factory=dict)

    def update(self, epoch: int, value: float, weights: dict[str, Tensor]) -> bool:
        """Take note of an evaluation; True where it is the best so far (strictly)."""
        if value > self.value:
            self.epoch, self.value, self.stale = epoch, value, 0
            if self.weights:
                for name, tensor in weights.items():
                    self.weights[name].copy_(tensor)
            else:
                self.weights = {name: tensor.detach().clone() for name, tensor in weights.items()}
            return True
        self.stale += 1
        return False

    def keep_last(self, epoch: int, weights: dict[str, Tensor]) -> None:
        """Take the last epoch for want of anything to choose by; the value stays at −∞."""
        self.epoch, self.weights = epoch, {name: tensor.detach().clone() for name, tensor in weights.items()}

    def exhausted(self, patience: int) -> bool:
        """Whether `patience` evaluations have passed without gain; patience 0 never is."""
        return patience > 0 and self.stale >= patience
