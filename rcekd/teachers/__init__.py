"""Teachers: models of any origin turned into frozen knowledge."""

from rcekd.teachers.ensemble import Ensemble
from rcekd.teachers.knowledge import FactorTeacher, Need, TeacherKnowledge

__all__ = ["Ensemble", "FactorTeacher", "Need", "TeacherKnowledge"]
