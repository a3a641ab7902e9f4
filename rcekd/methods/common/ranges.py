"""What several settings may be: no more than the operations behind them can compute with."""

from typing import Annotated

from pydantic import AfterValidator, Field

from rcekd.kernels.checks import HIGHEST_TAU, INT32_MAX, LOWEST_TAU


def within(low: float, high: float) -> AfterValidator:
    """A check of a float's range. Pydantic's own writes 1e-100 out."""

    def check(value: float) -> float:
        if not low <= value <= high:
            raise ValueError(f"give a number from {low:g} to {high:g}")
        return value

    return AfterValidator(check)


Temperature = Annotated[float, within(LOWEST_TAU, HIGHEST_TAU)]
"""What scores, or ranks, are divided by (rcekd.kernels.checks.check_tau)."""

ClosureTemperature = Annotated[float, within(1e-6, HIGHEST_TAU)]
"""The τ of rcekd.kernels.closure."""

Steepness = Annotated[float, within(1e-100, 1e100)]
"""The ε of draws by rank gap (rcekd.kernels.gap_requests)."""

Bound = Annotated[int, Field(ge=1, le=INT32_MAX)]
"""A bound of what is counted in 32 bits."""
