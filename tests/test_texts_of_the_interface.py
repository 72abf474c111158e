"""What pages say stands in the `words.py` of their rooms, where it can be found, read as a whole and translated."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st

ROOT = Path(__file__).parent.parent
BESIDE = ("ui/glossary/", "ui/api/")
"""The glossary is text throughout, and the interface for programs answers in the words of its documentation."""
EXCEPTIONS = {
    ("ui/compare/downloads.py", "seed {}"): "a part of a file's name, which programs find again",
    ("ui/compare/downloads.py", "stage {}"): "a part of a file's name, which programs find again",
    ("ui/compare/parts/result.py", "keeping {}"): "the key of a section that is drawn once",
    ("ui/experiment/saving.py", "python -m engine run {} --out results"): "a command",
    ("ui/experiment/training_section.py", "another model"): "the value of an option; its label is in the words",
    ("ui/live/rail.py", "max(18rem, calc(100vh - 22rem))"): "a height",
    ("ui/server/charting_library.py", "public, max-age=31536000, immutable"): "a header of HTTP",
    ("ui/server/charting_library.py", "<{}>; rel=preload; as=script"): "a header of HTTP",
    ("ui/server/entrance.py", "browser {}"): "the owner of a draft in the store",
    (
        "ui/server/gate.py",
        "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; object-src 'none'; ",
    ): "a policy",
    ("ui/server/gate.py", "Path=/; Max-Age=31536000; HttpOnly; SameSite=Lax"): "the attributes of a cookie",
    ("ui/understand/formats.py", "task {}"): "a format in an address",
}
"""Strings that look like texts, by their file and beginning, with what they are instead."""
RECORDS = {"_change", "_thing"}
"""What is done is recorded in the server's log and the store's log of changes, in one language whoever looks."""
LOGS = {"LOG", "_log"}

WORD = r"[^\W\d_]"
MARK = r"[^\w\s<>\0]{0,3}"
TWO_WORDS = re.compile(rf"{WORD}+{MARK} +{MARK}{WORD}{{2,}}")
VALUE_BESIDE_WORD = re.compile(rf"\0{MARK} +{MARK}{WORD}{{3,}}|{WORD}{{3,}}{MARK} +{MARK}\0")
CAPITAL = re.compile(r"[^A-Za-z]*[A-Z][a-z]+")
STYLE_OR_SCRIPT = re.compile(r"<style>.*</style>|.*\{\s.*[;,]\s.*\}\s*", re.DOTALL)
MARKUP = re.compile(r"<[^<>]*>|&\w+;|:material/\w+:|:[a-z-]+\[|\b[a-z-]+:(?=[^\s:])[^;:{}]*(?=;|$)")

ELEMENTS = {name for name in (*dir(st), *dir(st.column_config)) if not name.startswith("_")}
OWN_ELEMENTS = {"for_editors", "page_head", "experiment_link", "folding", "Heading"}
LABELS = {"label", "title", "help", "placeholder", "alt", "text", "show_spinner"}


def written(node: ast.Constant | ast.JoinedStr) -> str:
    """The text of a literal, with a sign in the place of each value."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    return "".join(each.value if isinstance(each, ast.Constant) else "\0" for each in node.values)  # type: ignore[misc]


def is_text(string: str, is_label: bool) -> bool:
    """Whether people read it: two words, a word beside a value, or a label that begins with a capital."""
    if STYLE_OR_SCRIPT.fullmatch(string.strip()):
        return False
    bare = MARKUP.sub("", string)
    return bool(TWO_WORDS.search(bare) or VALUE_BESIDE_WORD.search(bare) or (is_label and CAPITAL.match(bare)))


def name_of(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def is_for_people(call: ast.Call) -> bool:
    """Whether what a call is given may be shown."""
    owner = call.func.value if isinstance(call.func, ast.Attribute) else None
    return name_of(call) not in RECORDS and getattr(owner, "id", "") not in LOGS


def labels_of(call: ast.Call) -> Iterator[ast.expr]:
    """What a call shows as it stands, be it one word."""
    if name_of(call) in ELEMENTS | OWN_ELEMENTS:
        for given in call.args[:2]:
            yield from given.elts if isinstance(given, ast.Tuple | ast.List) else (given,)
        yield from (keyword.value for keyword in call.keywords if keyword.arg in LABELS)


def children(node: ast.AST) -> Iterator[ast.AST]:
    """The parts of a node that may hold a text: no docstring, no annotation, no record, no mistake of a programmer."""
    if isinstance(node, ast.Call) and not is_for_people(node):
        return
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return
    if (
        isinstance(node, ast.Raise)
        and isinstance(node.exc, ast.Call)
        and name_of(node.exc) in {"TypeError", "ValueError"}
    ):
        return
    for field, value in ast.iter_fields(node):
        if field not in ("annotation", "returns", "format_spec"):
            yield from (each for each in (value if isinstance(value, list) else [value]) if isinstance(each, ast.AST))


def texts_in(source: str) -> list[tuple[int, str]]:
    """The texts of the interface in a module, each with its line; {} stands for a value."""
    labels: set[int] = set()
    found: list[tuple[int, str]] = []
    waiting: list[ast.AST] = [ast.parse(source)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Call):
            labels |= {id(each) for each in labels_of(node)}
        if isinstance(node, ast.Constant | ast.JoinedStr):
            string = written(node)
            if is_text(string, id(node) in labels):
                found.append((node.lineno, string.replace("\0", "{}")))
                continue
        parts = children(node)
        waiting += [each for each in parts if not (isinstance(node, ast.JoinedStr) and isinstance(each, ast.Constant))]
    return sorted(found)


def modules() -> list[Path]:
    every = [ROOT / "app.py", *(path for room in ("ui", "pages") for path in (ROOT / room).rglob("*.py"))]
    return [
        path for path in every
        if not path.name.endswith("words.py") and not str(path.relative_to(ROOT)).startswith(BESIDE)
    ]  # fmt: skip


def test_every_text_of_a_page_stands_in_the_words_of_its_room() -> None:
    left, excepted = [], set()
    for path in modules():
        name = str(path.relative_to(ROOT))
        for line, text in texts_in(path.read_text(encoding="utf-8")):
            exception = next((each for each in EXCEPTIONS if each[0] == name and text.startswith(each[1])), None)
            if exception is None:
                left.append(f"{name}:{line}: {text[:100]!r}")
            else:
                excepted.add(exception)
    assert left == [], "Move them into the words.py of the room."
    assert excepted == set(EXCEPTIONS), "These exceptions are of no use any more."


@pytest.mark.parametrize(
    "source",
    [
        'st.button("Start")', 'st.caption("Nothing runs.")', 'x.metric("Size", value)',
        'st.text_input(words.A, help="Name")',
        'st.segmented_control(words.A, ("One", words.B))', 'sentence += " and more"', 'note = f"{count} tokens"',
        'raise ConfigError("Choose a task.")', 'f"<p style=\\"{SMALL};margin:0\\">wrote nothing</p>"',
        'TITLES = {"a": "Two words"}', 'st.html(f"<b>{name}</b> lost")', 'for_editors("Delete")',
        'f"{\'no letters\' if a else b}"', 'st.Page(START, title="Start")',
    ],
)  # fmt: skip
def test_a_text_in_code_is_found(source: str) -> None:
    assert len(texts_in(source)) == 1


@pytest.mark.parametrize(
    "source",
    [
        '"""Two words."""', 'st.button(words.START, key="live_start", icon=":material/stop:")',
        'st.columns([2, 3], gap="large")',
        'LOG.warning("Refused a change to %s", name)', '@_change("paused run {0}")\ndef pause(): ...',
        'raise ValueError("no preset of that name")', 'def f(a: "dict[str, int]") -> "list[int] | None": ...',
        'f\'<div style="{BOX};max-height:26rem" tabindex="0">{body}</div>\'', '_GRID = "display:grid;gap:.75rem"',
        '"""<style>\\n.a b { color: red; }\\n@media (max-width: 9px) { .c { margin: 0; } }\\n</style>"""',
        'f"{place} · {name}"', 'frame["Strategy"]', 'f"{value:%d %b %Y}"', 'f"**{words.A}** {value}"',
    ],
)  # fmt: skip
def test_code_that_is_no_text_is_left_alone(source: str) -> None:
    assert texts_in(source) == []
