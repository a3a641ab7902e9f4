"""Models made outside: from a file of any library to tables or lists in the dataset's own order.

request (what was asked) -> formats -> arrays, tensors, vectors, toplists (reading) -> matching -> complete.
"""

from rcekd.teachers.importing.formats import read
from rcekd.teachers.importing.raw import RawFactors, RawLists
from rcekd.teachers.importing.request import FORMATS, ImportRequest

__all__ = ["FORMATS", "ImportRequest", "RawFactors", "RawLists", "read"]
