"""Runs rcekd commands in processes that are stopped at a chosen moment. A script: it has to fork before anything runs.

    python -m tests.flows.stopping < PLANS

A plan is a line, a JSON list of steps {"place", "words", "signal", "moment", "after"}: run `rcekd words` in the folder
`place` and let it send itself `signal` at its moment number `moment`, or let it be sent from here after so many
seconds. A moment is a training step, a file brought to disk, a file renamed, or a line of metrics. `words` may hold
FOLDER, the newest run folder of a distillation in `place`; where there is none yet, the words of "otherwise" are run.
Where a step stops itself by SIGSTOP, the next one runs meanwhile. Prints a line for a plan: a JSON list of
{"code" (negative: ended by that signal), "out", "err"}.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rcekd.commands.application import run
from rcekd.training.loop import Trainer
from rcekd.training.run_folder import RunFolder


def arrange(number: int, moment: int) -> None:
    """Send the signal to this process when its moments, counted from 1, come to `moment`."""
    left = [moment]

    def counted(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), number)
            return function(*arguments, **named)

        return call

    os.fsync, os.replace = counted(os.fsync), counted(os.replace)
    Trainer._step = counted(Trainer._step)  # type: ignore[method-assign]
    RunFolder.append_metrics = counted(RunFolder.append_metrics)  # type: ignore[method-assign]


def newest_run(place: Path) -> Path | None:
    """The newest distillation that has its settings; without them it has not begun."""
    found = sorted(path.parent for path in place.glob("runs/distill-*/config.yaml"))
    return found[-1].relative_to(place) if found else None


def start(step: dict[str, Any], index: int) -> int:
    """Fork a process that runs the step; its id."""
    place = Path(step["place"]).resolve()
    place.mkdir(parents=True, exist_ok=True)
    folder = newest_run(place)
    words = step["words"]
    if folder is None and "FOLDER" in words:
        words = step["otherwise"]
    pid = os.fork()
    if pid:
        return pid
    os.chdir(place)
    for stream, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(f"{index}.{name}", os.O_CREAT | os.O_WRONLY | os.O_TRUNC), stream)
    if "moment" in step:
        arrange(step["signal"], step["moment"])
    code = run([str(folder) if word == "FOLDER" else word for word in words])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def finish(pid: int, step: dict[str, Any]) -> int:
    """Wait for the end of a step, or for its SIGSTOP; its exit code."""
    if "after" in step:
        time.sleep(step["after"])
        os.kill(pid, step["signal"])
    _, status = os.waitpid(pid, os.WUNTRACED)
    return -os.WSTOPSIG(status) if os.WIFSTOPPED(status) else os.waitstatus_to_exitcode(status)


def main(plan: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Run all steps; what each came to."""
    codes, stopped = [], None
    for index, step in enumerate(plan):
        pid = start(step, index)
        codes.append(finish(pid, step))
        if codes[-1] == -signal.SIGSTOP:
            stopped = index, pid
        elif stopped is not None:
            os.kill(stopped[1], signal.SIGCONT)
            codes[stopped[0]] = finish(stopped[1], {})
            stopped = None
    return [
        {"code": code, **{name: Path(step["place"], f"{index}.{name}").read_text() for name in ("out", "err")}}
        for index, (code, step) in enumerate(zip(codes, plan, strict=True))
    ]


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(main(json.loads(line))), flush=True)  # noqa: T201 - the test reads it
