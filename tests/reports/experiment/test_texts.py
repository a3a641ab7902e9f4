"""Numbers as a reader sees them."""

from rcekd.reports.experiment import texts


def test_numbers_by_hand() -> None:
    assert [texts.count(n) for n in (9_999, 10_000, 608_400, 12_160_000, None)] == [
        "9,999", "10 k", "608 k", "12.16 M", "–",
    ]  # fmt: skip
    assert [texts.mebibytes(n) for n in (300 << 20, 1536 << 20, None)] == ["300", "1,536", "–"]
    assert [texts.seconds(s) for s in (0.25, 1.5, 99.994, 1234.5)] == ["0.250", "1.50", "99.99", "1,234"]
    assert [texts.p_value(p) for p in (0.00099, 0.001, 0.05, None)] == ["< 0.001", "0.001", "0.050", "–"]
    assert [texts.percent(x) for x in (0.0523, -0.5, 0.0, None)] == ["+5.2 %", "−50.0 %", "+0.0 %", "–"]
    assert [texts.change(x) for x in (0.01234, -0.01234)] == ["+0.0123", "−0.0123"]
    assert texts.interval((-0.001, 0.02)) == "[−0.0010, +0.0200]"
    assert [texts.effect(x) for x in (1.234, -0.5)] == ["1.23", "−0.50"]
