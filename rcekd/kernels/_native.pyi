# The compiled core for type checkers. Its operations are typed at their doors, the modules beside this file.
from typing import Any

def __getattr__(name: str) -> Any: ...
