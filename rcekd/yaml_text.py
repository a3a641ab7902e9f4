"""YAML that a user writes. A key that stands twice in one place is refused, of which YAML would keep the last."""

from collections.abc import Hashable
from typing import Any

import yaml


class _Strict(yaml.SafeLoader):
    """The safe loader, which makes plain values only."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, Hashable) and key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} stands here a second time", key_node.start_mark
                )
            seen.add(key if isinstance(key, Hashable) else None)
        return super().construct_mapping(node, deep)


def load(text: str) -> Any:
    """The plain value of a YAML text. yaml.YAMLError for what is none, ValueError for an impossible date or number."""
    return yaml.load(text, Loader=_Strict)


def problem(error: Exception) -> str:
    """What is wrong, in one line."""
    return str(getattr(error, "problem", None) or str(error).splitlines()[0])
