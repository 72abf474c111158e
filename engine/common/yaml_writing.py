"""YAML that is read back as the very data that was written."""

import re
from typing import Any

import yaml

_LINE_BREAKS = re.compile("[\x85\u2028\u2029\ufeff]")
"""YAML takes them for ends of lines, or for the mark of an encoding, unless they are escaped."""


class _Dumper(yaml.SafeDumper):
    """Plain data alone."""


def _text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"' if _LINE_BREAKS.search(text) else None)


_Dumper.add_representer(str, _text)


def yaml_of(data: Any) -> str:
    """Fields in the order in which they are given, other characters than those of ASCII as they are."""
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
