"""Documents name files and functions: what they name is there, and the map names every room."""

import ast
import re
from pathlib import Path

import pytest

from tests.test_rooms import BELOW, ROOT

DOCUMENTS = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), ROOT / "benchmarks" / "README.md"]
NAMED = re.compile(r"`((?:engine|ui|pages|figures|tests|scripts|docs)/[\w./-]+|benchmarks/[\w/-]+\.py)(?::([\w.]+))?`")
"""A path from the root, and after a colon a function, a class, or a method of a class."""
STANDS_FOR_A_NAME = {"ROOM", "PAGE", "test_x_page.py"}


def defines(file: Path, name: str) -> bool:
    """Whether the file has the function or class, or the class the method."""
    body = ast.parse(file.read_text(encoding="utf-8")).body
    for part in name.split("."):
        found = next((node for node in body if getattr(node, "name", None) == part), None)
        if found is None:
            return False
        body = getattr(found, "body", [])
    return True


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_files_and_functions_that_a_document_names_are_there(document: Path) -> None:
    missing = []
    for path, name in NAMED.findall(document.read_text(encoding="utf-8")):
        if STANDS_FOR_A_NAME & set(Path(path).parts):
            continue
        if not (ROOT / path).exists() or (name and not defines(ROOT / path, name)):
            missing.append(f"{path}:{name}".rstrip(":"))
    assert missing == []


def test_the_map_names_every_room() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    assert [room for room in BELOW if room != "." and f"`{room}`" not in text] == []
