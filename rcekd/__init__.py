"""rcekd: distil a large recommender into a small one, and prove what was kept and what was saved.

raw file ─ datasets ─> Interactions ─ models ─> trained teacher ─ teachers ─> TeacherKnowledge
                            │                                                       │
                            └──────────> training <── methods (RCE-KD, CE) <────────┘
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
    from rcekd.experiments.pipeline import distill, train_teacher
    from rcekd.experiments.place import Place
    from rcekd.models import FactorTables, build_model
    from rcekd.teachers import TeacherKnowledge

__version__ = "0.1.0"

# Imported on first use: `rcekd --help` and `rcekd.__version__` need no torch.
_HOMES = {
    "DataSettings": "rcekd.datasets",
    "EvalSettings": "rcekd.evaluation.ranking",
    "FactorTables": "rcekd.models",
    "InputError": "rcekd.errors",
    "Interactions": "rcekd.datasets",
    "Place": "rcekd.experiments.place",
    "RunSettings": "rcekd.config",
    "TeacherKnowledge": "rcekd.teachers",
    "build_model": "rcekd.models",
    "distill": "rcekd.experiments.pipeline",
    "evaluate": "rcekd.evaluation.ranking",
    "load_dataset": "rcekd.datasets",
    "resolve": "rcekd.config",
    "train_teacher": "rcekd.experiments.pipeline",
}

__all__ = [
    "DataSettings",
    "EvalSettings",
    "FactorTables",
    "InputError",
    "Interactions",
    "Place",
    "RunSettings",
    "TeacherKnowledge",
    "__version__",
    "build_model",
    "distill",
    "evaluate",
    "load_dataset",
    "resolve",
    "train_teacher",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'rcekd' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
