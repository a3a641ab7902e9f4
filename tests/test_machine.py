"""Cores and memory within the limits of a control group, in both versions' layouts."""

from pathlib import Path

import pytest

from rcekd.machine import Cores, available_memory, cores


def lay_out(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


MEMINFO = {"proc/meminfo": "MemTotal: 9000 kB\nMemAvailable:    2000 kB\n"}
GROUP = "sys/fs/cgroup"


@pytest.mark.parametrize(
    ("files", "quota"),
    [
        ({}, None),
        ({"proc/self/cgroup": "0::/\n", f"{GROUP}/cpu.max": "max 100000\n"}, None),
        ({"proc/self/cgroup": "0::/a/b\n", f"{GROUP}/a/cpu.max": "150000 100000\n"}, 1.5),
        (
            {
                "proc/self/cgroup": "0::/a/b\n",
                f"{GROUP}/a/cpu.max": "150000 100000\n",
                f"{GROUP}/a/b/cpu.max": "50000 100000",
            },
            0.5,
        ),
        (
            {
                "proc/self/cgroup": "3:memory:/x\n2:cpu,cpuacct:/y\n0::/\n",
                f"{GROUP}/cpu/y/cpu.cfs_quota_us": "300000",
                f"{GROUP}/cpu/y/cpu.cfs_period_us": "100000",
            },
            3.0,
        ),
        (
            {
                "proc/self/cgroup": "2:cpu:/\n",
                f"{GROUP}/cpu/cpu.cfs_quota_us": "-1",
                f"{GROUP}/cpu/cpu.cfs_period_us": "100000",
            },
            None,
        ),
    ],
    ids=["none", "unlimited", "above", "the tighter", "version 1", "version 1, unlimited"],
)
def test_the_share_of_cores(tmp_path: Path, files: dict[str, str], quota: float | None) -> None:
    found = cores(lay_out(tmp_path, files))
    assert found.quota == quota
    assert found.present >= found.usable >= 1


@pytest.mark.parametrize(
    ("here", "worth"), [(Cores(8, 4, None), 4), (Cores(8, 8, 2.5), 2), (Cores(8, 8, 0.5), 1), (Cores(8, 2, 6.0), 2)]
)
def test_threads_worth_starting(here: Cores, worth: int) -> None:
    assert here.worth_starting == worth


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, None),
        (MEMINFO, 2000 * 1024),
        (
            MEMINFO
            | {
                "proc/self/cgroup": "0::/a\n",
                f"{GROUP}/a/memory.max": "5000",
                f"{GROUP}/a/memory.current": "4500",
                f"{GROUP}/a/memory.stat": "anon 1\ninactive_file 300\n",
            },
            800,
        ),
        (
            MEMINFO | {"proc/self/cgroup": "0::/a\n", f"{GROUP}/a/memory.max": "max", f"{GROUP}/a/memory.current": "1"},
            2000 * 1024,
        ),
        (
            {
                "proc/self/cgroup": "4:memory:/a\n",
                f"{GROUP}/memory/a/memory.limit_in_bytes": "700",
                f"{GROUP}/memory/a/memory.usage_in_bytes": "900",
            },
            0,
        ),
    ],
    ids=["unknown", "the system's", "a limit", "no limit", "version 1, spent"],
)
def test_memory_that_can_be_had(tmp_path: Path, files: dict[str, str], expected: int | None) -> None:
    assert available_memory(lay_out(tmp_path, files)) == expected
