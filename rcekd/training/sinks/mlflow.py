"""Curves for MLflow, through its tracking client: a run of MLflow for each run folder."""

import time
from collections.abc import Mapping
from typing import Any

from rcekd.errors import InputError
from rcekd.extras import require
from rcekd.provenance import leaves
from rcekd.training.files import write_text
from rcekd.training.run_folder import RunFolder
from rcekd.training.sinks.base import Ending, curves

EXPERIMENT = "rcekd"
STATUS = {"finished": "FINISHED", "stopped": "KILLED", "failed": "FAILED"}
PARAMETERS_A_CALL = 100  # MLflow's limit for one batch
MARK = "loss"
"""Every epoch has this curve: it tells which epochs a run of MLflow already holds."""


class MLflow:
    """Logs to the tracking server or store at `place`; None: MLFLOW_TRACKING_URI, else MLflow's own default.

    The run's id is kept in state/mlflow-run, so that a run that goes on goes on there too. MLflow keeps everything it
    is ever told: an epoch that happens again after a kill, to the same values, is not told again.
    """

    def __init__(self, folder: RunFolder, place: str | None) -> None:
        self._mlflow = require("mlflow", "mlflow", otherwise="leave out --log-to mlflow")
        self._folder = folder
        self._where = place or "MLflow"
        try:
            self._client = self._mlflow.MlflowClient(tracking_uri=place)
        except Exception as error:  # whatever MLflow thinks of an address
            raise InputError(f"--log-to mlflow:{place}: {_first_line(error)}; give an address or a store") from error
        self._run = ""
        self._told: set[int] = set()

    def begin(self, lines: list[dict[str, Any]]) -> None:
        try:
            self._run = self._resumed() or self._started()
            self._told = {int(metric.step) for metric in self._client.get_metric_history(self._run, MARK)}
        except Exception as error:  # MLflow's own, or those of whatever it speaks through
            raise InputError(f"--log-to mlflow: {self._where} does not answer ({_first_line(error)})") from error
        for line in lines:
            self.line(line)

    def line(self, line: dict[str, Any]) -> None:
        if line["epoch"] not in self._told:
            self._log(curves(line), line["epoch"])
            self._told.add(line["epoch"])

    def end(self, how: Ending, results: Mapping[str, Mapping[str, float]]) -> None:
        if results:
            self._log(curves(results, "result/"), 0)
        self._client.set_terminated(self._run, status=STATUS[how])

    def _log(self, values: dict[str, float], step: int) -> None:
        now, make = int(time.time() * 1000), self._mlflow.entities.Metric
        self._client.log_batch(self._run, metrics=[make(name, value, now, step) for name, value in values.items()])

    def _resumed(self) -> str | None:
        """The id of the run that this folder has there already, running again; None where there is none."""
        file = self._id_file
        known = file.read_text(encoding="utf-8").strip() if file.is_file() else ""
        if not known:
            return None
        try:
            self._client.update_run(known, status="RUNNING")
        except self._mlflow.exceptions.MlflowException:  # deleted there, or another server
            return None
        return known

    def _started(self) -> str:
        found = self._client.get_experiment_by_name(EXPERIMENT)
        experiment = found.experiment_id if found else self._client.create_experiment(EXPERIMENT)
        run: str = self._client.create_run(experiment, run_name=self._folder.path.name).info.run_id
        write_text(self._id_file, run + "\n")
        make = self._mlflow.entities.Param
        settings = [make(".".join(path), str(value)) for path, value in leaves(self._folder.read_config())]
        for first in range(0, len(settings), PARAMETERS_A_CALL):
            self._client.log_batch(run, params=settings[first : first + PARAMETERS_A_CALL])
        return run

    @property
    def _id_file(self) -> Any:
        return self._folder.path / "state" / "mlflow-run"


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
