"""Models made outside: from a file of any library to tables or lists in the dataset's own order.

request (what is asked for) -> formats -> arrays, tensors, vectors, toplists (reading into raw) -> build, which matches
ids (matching), fills what is missing (complete for factors, placing for lists) and calibrates the scores.
"""

from rcekd.teachers.importing.formats import read
from rcekd.teachers.importing.raw import RawFactors, RawLists
from rcekd.teachers.importing.request import FORMATS, ImportRequest

__all__ = ["FORMATS", "ImportRequest", "RawFactors", "RawLists", "read"]
