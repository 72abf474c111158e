"""The text of web pages, taken out by a process of its own: see `child`."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from engine.common.errors import TaskError
from engine.tasks.files.child_process import command, read_in_child, serve
from engine.tasks.files.limits import check_pieces

_CHILD = command("engine.tasks.files.web_pages")
_DAMAGED, _INSTEAD = "this page can't be taken apart; save it as plain text (.txt)", "save it as plain text (.txt)"
_DECLARED = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([\w.:-]{1,40})", re.IGNORECASE)
_DECLARED_WITHIN = 4096
_HIDDEN = "head script style noscript template svg math canvas iframe object audio video select textarea button"
_LINES = """
address article aside blockquote body center dd details dialog dir div dl dt fieldset figcaption figure footer form h1
h2 h3 h4 h5 h6 header hgroup hr html legend li main menu nav ol p pre section summary table tbody tfoot thead tr ul
caption option
"""
_APART = "p h1 h2 h3 h4 h5 h6 blockquote pre table ul ol dl figure article section"
_LEFT_OUT, _BLOCKS, _PARAGRAPHS = (frozenset(names.split()) for names in (_HIDDEN, _LINES, _APART))
_CELLS = frozenset(("td", "th"))
_SPACE = re.compile(r"[ \t\n\r\f\v]+")


def declared_encoding(data: bytes) -> str | None:
    """The encoding that a page says it is in."""
    found = _DECLARED.search(data[:_DECLARED_WITHIN])
    return found[1].decode("ascii").lower() if found else None


def page_texts(pages: Sequence[tuple[str, str]]) -> list[str | TaskError]:
    """What pages show, given by name and source, or why one can't be read: one child for all, since each takes a while.

    Blocks stand on lines of their own, paragraphs have a blank line between.
    """
    if not pages:
        return []
    try:
        answer = read_in_child(_CHILD, pages[0][0], json.dumps(pages).encode(), _DAMAGED, _INSTEAD)
    except TaskError as error:
        # one of them ended the child: each gets one of its own
        return [error] if len(pages) == 1 else [one for page in pages for one in page_texts([page])]
    return [found["text"] if "text" in found else TaskError(found["error"]) for found in json.loads(answer)]


def child() -> None:
    """Read pages from stdin, write their texts to stdout."""
    serve(lambda _, data: json.dumps([_answer(name, source) for name, source in json.loads(data)]).encode())


def _answer(name: str, source: str) -> dict[str, str]:
    try:
        return {"text": text_of(name, source.encode("utf-8", "replace"))}
    except TaskError as error:
        return {"error": str(error)}


def text_of(name: str, data: bytes) -> str:
    """The text of a page in UTF-8. Raises TaskError."""
    import lxml.etree

    check_pieces(name, data.count(b"<"))
    # `huge_tree` lifts the depth beyond which the rest of a page would be left out
    parser = lxml.etree.HTMLParser(encoding="utf-8", huge_tree=True, remove_comments=True, remove_pis=True)
    try:
        root = lxml.etree.fromstring(data.replace(b"\0", b""), parser=parser)
    except lxml.etree.LxmlError as error:
        raise TaskError(f"{name}: this is not a page that can be read; save it as plain text (.txt).") from error
    if any(entry.type_name == "ERR_RESOURCE_LIMIT" for entry in parser.error_log.filter_from_fatals()):
        raise TaskError(f"{name}: its elements are nested too deeply; save it as plain text (.txt).")
    return "" if root is None else _visible_text(root)


def _visible_text(root: Any) -> str:
    import lxml.etree

    lines = _Lines()
    skipped = preformatted = 0
    for event, element in lxml.etree.iterwalk(root, events=("start", "end")):
        tag = element.tag if isinstance(element.tag, str) else ""
        step = 1 if event == "start" else -1
        skipped += step * (tag in _LEFT_OUT)
        preformatted += step * (tag == "pre")
        if skipped and not (tag in _LEFT_OUT and step < 0):
            continue
        if tag in _PARAGRAPHS:
            lines.end(2)
        elif tag in _BLOCKS or (tag == "br" and step > 0):
            lines.end(1)
        elif tag in _CELLS and step > 0:
            lines.add("\t", is_preformatted=lines.has_begun)
        lines.add((element.text if step > 0 else element.tail) or "", is_preformatted=preformatted > 0)
    return "".join(lines.parts).strip("\n")


class _Lines:
    """Text as it is laid out: white space is one space, and none at the ends of lines, but in preformatted text."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.has_begun = False
        """Whether the line holds anything yet."""
        self._ends = 0
        self._space = False

    def end(self, ends: int) -> None:
        """End the line; 2 leaves a blank line."""
        self._ends = max(self._ends, ends)
        self.has_begun = self._space = False

    def add(self, text: str, *, is_preformatted: bool) -> None:
        if not is_preformatted:
            text = _SPACE.sub(" ", text)
            if text.strip(" ") == "":
                self._space = self.has_begun and (self._space or bool(text))
                return
            starts_apart = self.has_begun and (self._space or text.startswith(" "))
            self._space = text.endswith(" ")
            text = f"{' ' if starts_apart else ''}{text.strip(' ')}"
        if not text:
            return
        if is_preformatted and self._space:
            text, self._space = f" {text}", False
        if self._ends and self.parts:
            self.parts.append("\n" * self._ends)
        self._ends = 0
        self.has_begun = True
        self.parts.append(text)
