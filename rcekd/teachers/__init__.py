"""Teachers: trained models turned into frozen knowledge."""

from rcekd.teachers.knowledge import TeacherKnowledge

__all__ = ["TeacherKnowledge"]
