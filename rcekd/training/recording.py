"""Work on a GPU, recorded once and played back: one launch for all of it, where launches would take longer than it.

A recording is a CUDA graph: kernels with their arguments, addresses among them. What is played reads and writes the
very memory that it was recorded with; what it finds there may have changed.
"""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

import torch


class Recorder(Protocol):
    """Whoever makes recordings."""

    def record(self, work: Callable[[], None]) -> Callable[[], None]:
        """What does the device's part of `work` when it is called; until then none of it is done, only the host's.

        `work` must have been done before on the same device, so that whatever is loaded or made at its first use is
        there. The recording before this one is played no more. RuntimeError where the work cannot be recorded.
        """


class CudaRecorder:
    """Makes CUDA graphs. Their memory is apart from all other, and one recording's is the next one's."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]  # the default one records nothing
        self._last: torch.cuda.CUDAGraph | None = None

    def record(self, work: Callable[[], None]) -> Callable[[], None]:
        """See Recorder."""
        graph = torch.cuda.CUDAGraph()
        pool = None if self._last is None else self._last.pool()
        self._stream.wait_stream(torch.cuda.current_stream(self._device))
        # torch.cuda.graph would also empty the allocator's cache, which every epoch would then fill anew.
        with torch.cuda.stream(self._stream), _nothing_collected():
            graph.capture_begin(pool, capture_error_mode="thread_local")
            try:
                work()
            finally:
                graph.capture_end()
        self._last = graph  # the one before is let go only now, for its memory goes with the last graph that has it
        return graph.replay


@contextmanager
def _nothing_collected() -> Iterator[None]:
    """No collection of garbage meanwhile: another recording among it would be let go, which spoils this one."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def recorder(device: torch.device) -> Recorder | None:
    """A recorder for this device; None where there is nothing to record with."""
    return CudaRecorder(device) if device.type == "cuda" else None
