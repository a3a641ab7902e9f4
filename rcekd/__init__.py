"""rcekd: distil a large recommender into a small one, and prove what was kept and what was saved.

raw file ─ datasets ─> Interactions ─ models ─> trained teacher ─ teachers ─> TeacherKnowledge
                            │                                                       │
                            └──────────> training <── methods (RCE-KD, …) <─────────┘
                                            │  watched by evaluation
                                        run folder ─> experiments ─> reports
kernels, the native core, lie under all of it; commands (`rcekd distill`, …) are the roof.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rcekd.config import RunSettings, resolve
    from rcekd.datasets import DataSettings, Interactions, load_dataset
    from rcekd.errors import InputError
    from rcekd.evaluation.ranking import EvalSettings, evaluate
    from rcekd.experiments.imported import import_teacher
    from rcekd.experiments.layers import run_settings
    from rcekd.experiments.opening import open_run
    from rcekd.experiments.pipeline import distill, train_teacher
    from rcekd.experiments.place import Place
    from rcekd.models import FactorTables, build_model
    from rcekd.serving.export import Wanted, export
    from rcekd.teachers import TeacherKnowledge
    from rcekd.teachers.importing import ImportRequest

__version__ = "0.1.0"

# Imported on first use: `rcekd --help` and `rcekd.__version__` need no torch.
_HOMES = {
    "DataSettings": "rcekd.datasets",
    "EvalSettings": "rcekd.evaluation.ranking",
    "FactorTables": "rcekd.models",
    "ImportRequest": "rcekd.teachers.importing",
    "InputError": "rcekd.errors",
    "Interactions": "rcekd.datasets",
    "Place": "rcekd.experiments.place",
    "RunSettings": "rcekd.config",
    "TeacherKnowledge": "rcekd.teachers",
    "Wanted": "rcekd.serving.export",
    "build_model": "rcekd.models",
    "distill": "rcekd.experiments.pipeline",
    "evaluate": "rcekd.evaluation.ranking",
    "export": "rcekd.serving.export",
    "import_teacher": "rcekd.experiments.imported",
    "load_dataset": "rcekd.datasets",
    "open_run": "rcekd.experiments.opening",
    "resolve": "rcekd.config",
    "run_settings": "rcekd.experiments.layers",
    "train_teacher": "rcekd.experiments.pipeline",
}

__all__ = [
    "DataSettings",
    "EvalSettings",
    "FactorTables",
    "ImportRequest",
    "InputError",
    "Interactions",
    "Place",
    "RunSettings",
    "TeacherKnowledge",
    "Wanted",
    "__version__",
    "build_model",
    "distill",
    "evaluate",
    "export",
    "import_teacher",
    "load_dataset",
    "open_run",
    "resolve",
    "run_settings",
    "train_teacher",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'rcekd' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
