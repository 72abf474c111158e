"""The front matter of Markdown: settings of the program that publishes a page, between two lines at its top."""

import re

_LONGEST = 100_000
_BEGINS = re.compile(r"\s*?(---|\+\+\+)[ \t]*\n")
_YAML_LINE = re.compile(r"""[ \t]|\#|-[ \t]|[\]}]|("[^"\n]*"|'[^'\n]*'|[\w.$@-][\w .$@/-]*?)[ \t]*:([ \t]|$)""")
_TOML_LINE = re.compile(r"""[ \t]|\#|\[|[\]}"']|[\w.'"-]+[ \t]*=""")
REMARK = (
    "The front matter (the settings at the top of a Markdown file) is left out; to learn it too, "
    "choose so (front_matter: true)."
)


def split_front_matter(text: str) -> tuple[str, str]:
    """The front matter with the lines that enclose it, and the text below it; none where there is none.

    A text can begin with a rule, too: between the two lines must stand settings (`key: value` or `key = value`).
    """
    begins = _BEGINS.match(text)
    if not begins:
        return "", text
    ends = r"(?:---|\.\.\.)" if begins[1] == "---" else r"\+\+\+"
    closing = re.compile(rf"^{ends}[ \t]*(?:\n|\Z)", re.MULTILINE).search(text, begins.end(), begins.end() + _LONGEST)
    if not closing:
        return "", text
    lines = [line for line in text[begins.end() : closing.start()].split("\n") if line.strip()]
    setting = _YAML_LINE if begins[1] == "---" else _TOML_LINE
    if not lines or lines[0][0] in " \t-" or not all(map(setting.match, lines)):
        return "", text
    return text[: closing.end()], text[closing.end() :]
