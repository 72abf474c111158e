"""YAML as people write it: numbers and names are what they look like, and a field that stands twice is refused.

YAML 1.1, which PyYAML reads, takes `5e-4` for a word, `010` for eight, `no` for false and `1:30` for ninety. Here
`5e-4` and `010` are numbers as everybody reads them, and a number where a text is expected is the text as written.
"""

import re
from collections.abc import Collection, Iterator
from typing import Any

import yaml

from engine.common.errors import ConfigError
from engine.common.explanations import Unquoted
from engine.common.quoting import shortened

Path = tuple[str, ...]
"""The names of the fields that lead to a value; a list adds nothing to it."""

_TAG = "tag:yaml.org,2002:"
_TEXT, _INTEGER, _FLOAT, _MERGE = _TAG + "str", _TAG + "int", _TAG + "float", _TAG + "merge"
_AS_WRITTEN = (_INTEGER, _FLOAT, _TAG + "value", _MERGE)
_TAKEN_FOR = {_TAG + "bool": "a truth value", _TAG + "timestamp": "a date"}
_UNQUOTED = "!palimpsest-unquoted "
_MOST_MERGED = 100_000
"""Fields that the merges (`<<`) of one file may come to: nested merges multiply them, so that a short file could stand
for billions."""


class _TooManyMerged(yaml.MarkedYAMLError):
    """The merges of a file come to more fields than a file may have."""


class _Loader(yaml.SafeLoader):
    """Plain data alone, with the numbers of today, and merges that end."""

    yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag not in (_INTEGER, _FLOAT)]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._merged = 0

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Put the fields that `node` merges among its own, counted before they are copied."""
        for key, value in node.value:
            if key.tag != _MERGE:
                continue
            for merged in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                if isinstance(merged, yaml.MappingNode):
                    self.flatten_mapping(merged)
                    self._merged += len(merged.value)
                self._merged += 1
                if self._merged > _MOST_MERGED:
                    problem = f"merges (<<) come to more than {_MOST_MERGED:,} fields here; write the fields out"
                    raise _TooManyMerged(problem=problem, problem_mark=key.start_mark)
        super().flatten_mapping(node)


def _integer(loader: _Loader, node: yaml.ScalarNode) -> int:
    text = str(loader.construct_scalar(node)).replace("_", "")
    return int(text, 0 if re.match(r"[-+]?0[xob]", text) else 10)


def _unquoted(loader: _Loader, taken_for: str, node: yaml.ScalarNode) -> Unquoted:
    return Unquoted(str(loader.construct_scalar(node)), taken_for)


_Loader.add_implicit_resolver(
    _FLOAT,
    re.compile(
        r"[-+]?(?:[0-9][0-9_]*\.[0-9_]*(?:[eE][-+]?[0-9]+)?|\.[0-9][0-9_]*(?:[eE][-+]?[0-9]+)?"
        r"|[0-9][0-9_]*[eE][-+]?[0-9]+|\.(?:inf|Inf|INF))$|\.(?:nan|NaN|NAN)$"
    ),
    list("-+.0123456789"),
)
_Loader.add_implicit_resolver(
    _INTEGER, re.compile(r"[-+]?(?:0x[0-9a-fA-F_]+|0o[0-7_]+|0b[01_]+|[0-9][0-9_]*)$"), list("-+0123456789")
)
_Loader.add_constructor(_INTEGER, _integer)
_Loader.add_multi_constructor(_UNQUOTED, _unquoted)


def read_yaml(text: str, source: str, texts: Collection[Path]) -> Any:
    """The data in `text`; values at the places `texts` are texts. Raises ConfigError with the line."""
    try:
        return _read(text, source, texts)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        raise ConfigError(f"{source}{where}: {_problem(error)}.") from error
    except RecursionError as error:
        raise ConfigError(f"{source}: is nested too deeply; write it as the documentation does.") from error
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError) as error:
        # What the loader meets in an impossible date, a number of 5,000 digits or a tag on the wrong value.
        raise ConfigError(
            f"{source}: holds a value that is none ({shortened(str(error), 300)}); correct it."
        ) from error


def _read(text: str, source: str, texts: Collection[Path]) -> Any:
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        for mapping in _mappings(node):
            _refuse_doubles(mapping, source)
        _keep_texts(node, texts)
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _problem(error: yaml.YAMLError) -> str:
    problem = str(getattr(error, "problem", None) or error)
    if isinstance(error, _TooManyMerged):
        return problem
    if "'\\t'" in problem:
        return "a tab stands where YAML takes none; write spaces in its place"
    return f"this is not valid YAML ({shortened(problem, 300)})"


def _mappings(top: yaml.Node) -> Iterator[yaml.MappingNode]:
    """Every mapping once, however often it is referred to."""
    waiting, seen = [top], set[int]()
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            yield node
            waiting += [value for _, value in node.value]
        elif isinstance(node, yaml.SequenceNode):
            waiting += node.value


def _refuse_doubles(mapping: yaml.MappingNode, source: str) -> None:
    """Names of fields are texts, whatever they look like, and each stands once. Raises ConfigError."""
    lines: dict[str, int] = {}
    for key, _ in mapping.value:
        if not isinstance(key, yaml.ScalarNode) or key.tag == _MERGE:
            continue
        if key.style is None:
            key.tag = _TEXT
        line = key.start_mark.line + 1
        if key.value in lines:
            first = lines[key.value]
            before = "earlier on that line" if first == line else f"on line {first}"
            raise ConfigError(
                f"{source}, line {line}: the field {shortened(key.value)} stands here again, after {before}; "
                "leave one of the two out."
            )
        lines[key.value] = line


def _keep_texts(top: yaml.Node, texts: Collection[Path]) -> None:
    """Keep a number as it was written where a text is expected; a truth value or a date is told from a text."""
    waiting: list[tuple[yaml.Node, Path]] = [(top, ())]
    seen = set[tuple[int, Path]]()
    longest = max(map(len, texts), default=0)
    while waiting:
        node, path = waiting.pop()
        if (id(node), path) in seen or len(path) > longest:
            continue
        seen.add((id(node), path))
        if isinstance(node, yaml.MappingNode):
            waiting += [(value, (*path, str(key.value))) for key, value in node.value]
        elif isinstance(node, yaml.SequenceNode):
            waiting += [(value, path) for value in node.value]
        elif isinstance(node, yaml.ScalarNode) and path in texts and node.style is None:
            if node.tag in _AS_WRITTEN:
                node.tag = _TEXT
            elif node.tag in _TAKEN_FOR:
                node.tag = _UNQUOTED + _TAKEN_FOR[node.tag]
