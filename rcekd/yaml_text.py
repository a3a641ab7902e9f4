"""YAML that a user writes. A key that stands twice in one place is refused, of which YAML would keep the last."""

from collections.abc import Iterator
from typing import Any

import yaml

_MERGE = "tag:yaml.org,2002:merge"


def load(text: str) -> Any:
    """The plain value of a YAML text. yaml.YAMLError for what is none, ValueError for an impossible date or number."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        if root is not None:
            for node in _mappings(root, set()):
                _check_keys(node)
        return yaml.safe_load(text)
    except (AttributeError, LookupError) as error:  # PyYAML on a value that its tag does not fit: !!bool foo, !!int ""
        raise yaml.YAMLError(f"a value does not fit its tag: {error}") from error
    except RecursionError:
        raise yaml.YAMLError("values stand too deep within others") from None


def _mappings(node: yaml.Node, met: set[int]) -> Iterator[yaml.MappingNode]:
    """Every mapping of a text, each once, however often it is referred to."""
    if id(node) in met:
        return
    met.add(id(node))
    if isinstance(node, yaml.MappingNode):
        yield node
        for pair in node.value:
            for inner in pair:
                yield from _mappings(inner, met)
    elif isinstance(node, yaml.SequenceNode):
        for inner in node.value:
            yield from _mappings(inner, met)


def _check_keys(node: yaml.MappingNode) -> None:
    seen = set()
    for key, _ in node.value:
        if key.tag == _MERGE or not isinstance(key, yaml.ScalarNode):
            continue
        if (key.tag, key.value) in seen:
            what = f"the key {key.value!r} stands here a second time"
            raise yaml.constructor.ConstructorError(None, None, what, key.start_mark)
        seen.add((key.tag, key.value))


def problem(error: Exception) -> str:
    """What is wrong, in one line."""
    return str(getattr(error, "problem", None) or str(error).splitlines()[0])
