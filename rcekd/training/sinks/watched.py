"""An observer that tells sinks what it sees, and passes everything on to another."""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rcekd.errors import InterruptedRun
from rcekd.training.checkpoint import Progress
from rcekd.training.loop import Observer
from rcekd.training.run_folder import RunFolder
from rcekd.training.settings import TrainSettings
from rcekd.training.sinks.base import Ending, Open, Sink


@contextmanager
def watched(observer: Observer, opens: Sequence[Open], folder: RunFolder) -> Iterator["Watched"]:
    """An observer of the run in `folder` that feeds a sink of each of `opens`; they are closed however it ends.

    InputError where a sink cannot be opened. One that fails later is dropped with a warning: training goes on.
    """
    seen = Watched(observer, [opening(folder) for opening in opens], folder)
    try:
        yield seen
    except (InterruptedRun, KeyboardInterrupt):
        seen.close("stopped")
        raise
    except BaseException:
        seen.close("failed")
        raise
    seen.close("finished")


class Watched:
    """See `watched`."""

    def __init__(self, observer: Observer, sinks: Sequence[Sink], folder: RunFolder) -> None:
        self._observer, self._folder = observer, folder
        self._sinks = list(sinks)
        self._begun = False
        self.results: Mapping[str, Mapping[str, float]] = {}
        """The metrics of the model that is kept, for whoever knows them to fill in."""

    def begin(self, title: str, settings: TrainSettings, progress: Progress, steps: int) -> None:
        self._observer.begin(title, settings, progress, steps)
        lines = self._folder.read_metrics()
        for sink in self._sinks:
            sink.begin(lines)
        self._begun = True

    def step(self) -> None:
        self._observer.step()

    def epoch(self, line: dict[str, Any], progress: Progress) -> None:
        self._observer.epoch(line, progress)
        self._tell(lambda sink: sink.line(line))

    def end(self, progress: Progress) -> None:
        self._observer.end(progress)

    def close(self, how: Ending) -> None:
        """Tell every sink that nothing more will come."""
        if self._begun:
            self._tell(lambda sink: sink.end(how, self.results))

    def _tell(self, what: Callable[[Sink], None]) -> None:
        for sink in list(self._sinks):
            try:
                what(sink)
            except Exception as error:  # a server away, a disk full: not worth the hours that training has taken
                self._sinks.remove(sink)
                reason = (str(error).splitlines() or [""])[0]
                text = f"--log-to: {type(sink).__name__} failed ({type(error).__name__}: {reason}) and gets no more"
                warnings.warn(f"{text}; metrics.jsonl has everything", stacklevel=2)
