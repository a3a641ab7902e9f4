"""Serves one model in a process of its own and measures that: memory, latency, throughput, recall of the index.

    python -m rcekd.serving.probe FOLDER

FOLDER holds factors.safetensors, seen.safetensors, request.json and maybe index.usearch, as `rcekd serve-bench` puts
them there; what was measured goes to FOLDER/measured.json. Apart from the native core nothing of rcekd is loaded.
"""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor

from rcekd.kernels.csr import CSR
from rcekd.serving import index
from rcekd.serving.latency import latency, throughput, visitors
from rcekd.serving.rows import between
from rcekd.serving.top import Lists, rank


def resident_bytes() -> int:
    """This process's resident memory now; 0 where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


class Served:
    """The tables, read whole, and what users have met."""

    def __init__(self, folder: Path, seen: CSR, top: int) -> None:
        factors = _read(folder / "factors.safetensors")
        self.user_UD, self.item_ID, self.seen = factors["user"], factors["item"], seen
        self.top = min(top, self.item_ID.shape[0])
        for table in (self.user_UD, self.item_ID):
            table.sum()  # every page is there once it has been read

    def exact(self, users: Tensor) -> Lists:
        """Lists by the native scan."""
        return rank(self.user_UD[users.long()], self.item_ID, self.top, self._left_out(users))

    def through(self, found: Any, users: Tensor, threads: int) -> Lists:
        """Lists by an index."""
        return index.search(found, self.user_UD[users.long()], self.top, self._left_out(users), threads)

    def _left_out(self, users: Tensor) -> CSR:
        if users.numel() == 1:
            return between(self.seen, int(users), int(users) + 1)
        return self.seen.take(users)


def measure(folder: Path) -> dict[str, Any]:
    """What request.json asks for."""
    request = json.loads((folder / "request.json").read_text(encoding="utf-8"))
    met = _read(folder / "seen.safetensors")
    seen = CSR(met["indptr"], met["item"])
    (seen.indices.float().sum() + seen.indptr.sum()).item()  # what torch allocates on its first sum is not the model's
    before = resident_bytes()
    served = Served(folder, seen, request["top"])
    after = resident_bytes()
    result: dict[str, Any] = {"resident_bytes": after - before, "process_bytes": after, "engines": []}
    if (folder / "index.usearch").is_file():
        found = index.load(folder / "index.usearch", served.item_ID.shape[1])
        served.through(found, visitors(served.seen.n_rows, 64), 1)
        result["index_resident_bytes"] = resident_bytes() - after
        result["engines"] += list(_through_index(served, found, request))
    result["engines"] = list(_exact(served, request)) + result["engines"]
    return result


def _exact(served: Served, request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for threads in request["threads"]:
        torch.set_num_threads(threads)
        singles, batch = _visitors(served, request)
        took = latency(lambda user: served.exact(torch.tensor([user], dtype=torch.int32)), singles)
        rate = throughput(served.exact, batch, seconds=request["seconds"])
        yield {"engine": "exact", "threads": threads, **took._asdict(), "users_per_second": rate, "recall": 1.0}


def _through_index(served: Served, found: Any, request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for threads in request["threads"]:
        torch.set_num_threads(threads)
        singles, batch = _visitors(served, request)

        def one(user: int, threads: int = threads) -> Lists:
            return served.through(found, torch.tensor([user], dtype=torch.int32), threads)

        def many(users: Tensor, threads: int = threads) -> Lists:
            return served.through(found, users, threads)

        took, rate = latency(one, singles), throughput(many, batch, seconds=request["seconds"])
        share = index.recall(many(batch), served.exact(batch))
        yield {"engine": "index", "threads": threads, **took._asdict(), "users_per_second": rate, "recall": share}


def _visitors(served: Served, request: dict[str, Any]) -> tuple[list[int], Tensor]:
    n_users = served.seen.n_rows
    return visitors(n_users, request["requests"]).tolist(), visitors(n_users, request["batch"], seed=1)


def _read(path: Path) -> dict[str, Tensor]:
    with safe_open(path, framework="pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict


if __name__ == "__main__":
    place = Path(sys.argv[1])
    (place / "measured.json").write_text(json.dumps(measure(place)), encoding="utf-8")
