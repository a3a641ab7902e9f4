"""Numbers as a report shows them."""

from rcekd.reports.experiment.judging import DIGITS

NOTHING = "–"


def metric(value: float | None) -> str:
    """A mean of a metric, with as many digits as are judged by."""
    return NOTHING if value is None else f"{value:.{DIGITS}f}"


def change(value: float | None) -> str:
    """A difference, with its sign."""
    return NOTHING if value is None else _signed(f"{value:+.{DIGITS}f}")


def percent(value: float | None) -> str:
    """A relative difference, with its sign."""
    return NOTHING if value is None else _signed(f"{100 * value:+.1f} %")


def effect(value: float | None) -> str:
    """Cohen's d_z, to two digits."""
    return NOTHING if value is None else _signed(f"{value:.2f}")


def p_value(value: float | None) -> str:
    """To three digits."""
    if value is None:
        return NOTHING
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def interval(ends: tuple[float, float] | None) -> str:
    """Both ends of a difference, with their signs."""
    return NOTHING if ends is None else f"[{change(ends[0])}, {change(ends[1])}]"


def seconds(value: float) -> str:
    """Fewer digits the longer it takes."""
    digits = 3 if value < 1 else 2 if value < 100 else 0
    return f"{value:,.{digits}f}"


def mebibytes(value: int | None) -> str:
    """Bytes as whole MiB."""
    return NOTHING if value is None else f"{value / 2**20:,.0f}"


def count(value: int | None) -> str:
    """Parameters: 12.16 M, 608 k."""
    if value is None:
        return NOTHING
    if value >= 10**6:
        return f"{value / 10**6:.2f} M"
    return f"{value / 1000:.0f} k" if value >= 10**4 else f"{value:,}"


def _signed(text: str) -> str:
    return text.replace("-", "−")
