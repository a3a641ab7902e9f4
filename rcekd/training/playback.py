"""An epoch's full batches: the first step is taken, the same work recorded, and played back for the others.

Which step it is stands in the device's memory: the work takes its batch, and its rates of Adam, from that row of the
epoch's arrays, writes its losses there, and adds one. So nothing is copied, waited for or launched between the steps.
"""

import warnings
from collections.abc import Callable

import torch
from torch import Tensor

from rcekd.models import Batch
from rcekd.training.optimizer import Adam
from rcekd.training.recording import Recorder

# Recording costs about as much as a step that is launched kernel by kernel.
LEAST_STEPS = 8

Step = Callable[[Batch, Tensor], Tensor]
"""Trains on a batch with a row of `Adam.rates`; its losses, float32 [losses]. The same work for every batch."""


class Player:
    """Takes the steps of an epoch. An epoch is recorded anew, since what a method makes for it lies elsewhere.

    It does not keep the step, which belongs to whoever owns the player: the two would keep each other, and the device's
    memory with them, until Python happens to look for such rings.
    """

    def __init__(self, recorder: Recorder, optimizer: Adam, losses: int) -> None:
        self._recorder: Recorder | None = recorder
        self._optimizer, self._losses = optimizer, losses

    def takes(self, steps: int) -> bool:
        """Whether so many steps are worth a recording, and none has failed."""
        return self._recorder is not None and steps >= LEAST_STEPS

    def play(self, step: Step, whole: Batch, size: int, told: Callable[[], None]) -> Tensor:
        """Train on the full batches of `size` rows in `whole`; returns their losses, float32 [steps, losses].

        told: called after each step is queued. Where the work cannot be recorded it is done step by step, with a
        warning, now and from now on.
        """
        steps, device = whole.user_B.numel() // size, whole.user_B.device
        step_1 = torch.zeros(1, dtype=torch.int64, device=device)
        # A batch's ids side by side: one copy fetches them, and its columns lie as those of any batch.
        ids_NC = torch.cat([column[: steps * size].reshape(steps, -1) for column in whole], dim=1)
        negatives = whole.negative_BN.shape[1]
        rates_NP2 = self._optimizer.rates(steps)
        loss_NL = torch.empty(steps, self._losses, device=device)

        def work() -> None:
            ids_C = ids_NC.index_select(0, step_1)[0]
            user_B, positive_B, negative = torch.split(ids_C, [size, size, size * negatives])
            batch = Batch(user_B, positive_B, negative.view(size, negatives))
            loss_L = step(batch, rates_NP2.index_select(0, step_1)[0])
            loss_NL.index_copy_(0, step_1, loss_L[None])
            step_1.add_(1)

        work()
        told()
        again = self._recorded(work)
        for _ in range(1, steps):
            again()
            told()
        self._optimizer.advance(steps)
        self._optimizer.zero_grad()
        self._optimizer.touch()
        return loss_NL

    def _recorded(self, work: Callable[[], None]) -> Callable[[], None]:
        """A recording of the work; the work itself where there can be none."""
        if self._recorder is None:
            return work
        try:
            return self._recorder.record(work)
        except RuntimeError as error:
            self._recorder = None
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            warnings.warn(
                f"a training step could not be recorded as a CUDA graph ({reason}); steps are launched one by one, "
                "with the same results (train.cuda_graph=false does so from the start)",
                stacklevel=2,
            )
            # What was remembered of the parameters meanwhile was never computed.
            self._optimizer.touch()
            return work
