"""The order of every row at once."""

import torch
from torch import Tensor


def descending(score_NM: Tensor) -> Tensor:
    """int64 [N, M]: the places of each row by falling score, equal ones in their order; no NaN.

    What torch's stable argsort gives. On the CPU, float32 scores go with their place into one word each, which NumPy
    sorts with vector instructions, four times as fast for rows of 500.
    """
    if score_NM.device.type != "cpu" or score_NM.dtype != torch.float32:
        return score_NM.argsort(dim=1, descending=True, stable=True)
    # Adding 0 makes −0 of the same bits as 0; the flip of negative numbers' bits makes integers in the order of floats.
    bits_NM = (score_NM.detach() + 0.0).view(torch.int32)
    rising_NM = bits_NM ^ ((bits_NM >> 31) & 0x7FFFFFFF)
    word_NM = (~rising_NM).long().bitwise_left_shift_(32).bitwise_or_(torch.arange(score_NM.shape[1]))
    word_NM.numpy().sort(axis=1)
    return word_NM.bitwise_and_(0xFFFFFFFF)
