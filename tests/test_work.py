"""The ledger of work: what operations report, by phase, and nothing where nobody asks."""

import torch

from rcekd.kernels.topk import topk
from rcekd.stopwatch import Stopwatch
from rcekd.work import Work, counting, report


def test_work_is_booked_under_the_phase_it_falls_into() -> None:
    clock = Stopwatch()
    with counting() as ledger:
        with clock.phase("first"):
            report(lambda: (10, 100))
            report(lambda: (1, 2))
        report(lambda: (5, 6))
        with clock.phase("second"):
            report(lambda: (7, 8))
    assert ledger.phases == {"first": Work(11, 102), "": Work(5, 6), "second": Work(7, 8)}


def test_nothing_is_worked_out_where_nobody_counts() -> None:
    def never() -> tuple[float, float]:
        raise AssertionError

    report(never)


def test_ledgers_nest() -> None:
    with counting() as outer:
        report(lambda: (1, 1))
        with counting() as inner:
            report(lambda: (2, 2))
    assert (outer.phases[""], inner.phases[""]) == (Work(3, 3), Work(2, 2))


def test_an_operation_reports_two_operations_per_multiplication() -> None:
    with counting() as ledger:
        topk(torch.ones(3, 4), torch.ones(5, 4), 2)
    assert ledger.phases[""].flops == 2 * 3 * 5 * 4
