"""Files of guards: what they may say, and that none of it is lost."""

import json
from pathlib import Path

import pytest

from engine.common.errors import ConfigError
from engine.guards.guard_files import guards_of, read_guards

YAML = """
- {prompt: "Note 3 of", contains: tea}
- {prompt: "2 + 2 =", equals: 4, answer_tokens: 3}
- {prompt: "Note", matches: "of (tea|bread)"}
- {name: drinks, prompt: "Note 3 of", likelier: " tea", than: [" bread", " soup"]}
- {text: "Note 5 of tea: 10 cups.", loss_at_most: 2.5}
"""
MERGE_BOMB = "- &a0 {prompt: a, contains: x}\n" + "\n".join(
    f"- &a{level} {{<<: [{', '.join([f'*a{level - 1}'] * 9)}]}}" for level in range(1, 30)
)


def test_yaml_json_lines_and_tables_say_the_same() -> None:
    expected = guards_of("g.yaml", YAML.encode())
    rows = [guard.model_dump(exclude_defaults=True) for guard in expected]
    assert guards_of("g.json", json.dumps(rows).encode()) == expected
    assert guards_of("g.jsonl", "\n".join(map(json.dumps, rows)).encode()) == expected
    table = 'prompt,contains,likelier,than,answer_tokens\nNote 3 of,tea,,,\nNote,," tea"," bread",\n"a, b",x,,,7\n'
    one, two, three = guards_of("g.csv", table.encode())
    assert one == expected[0]
    assert (two.likelier, two.than) == (" tea", (" bread",))
    assert (three.prompt, three.answer_tokens) == ("a, b", 7)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("- {prompt: a}", "g.yaml: guard 1: give one of contains, .*; it has none"),
        ("- {prompt: a, contains: x, equals: y}", "it has contains and equals"),
        ("- {prompt: a, contain: x}", "contain: there is no such field; did you mean contains"),
        ("- {contains: x}", "prompt: give the text"),
        ("- {prompt: a, contains: ''}", "contains: an empty text says nothing"),
        ("- {prompt: a, likelier: x}", "likelier and than belong together"),
        ("- {prompt: a, contains: x, than: y}", "likelier and than belong together"),
        ("- {loss_at_most: 2}", "text and loss_at_most belong together"),
        ("- {text: a, loss_at_most: -1}", "loss_at_most: must be above 0"),
        ("- {text: a, loss_at_most: .inf}", "loss_at_most"),
        ("- {prompt: a, matches: '(?=b)'}", r"matches: '\(\?=b\)' is no pattern"),
        ("- {prompt: a, matches: '('}", r"matches: '\(' is no pattern"),
        ("- {prompt: a, contains: x, answer_tokens: 0}", "answer_tokens: must be 1 or above"),
        ("- {prompt: a, contains: x}\n- {prompt: a, contains: y}", "two guards are called 'a'"),
        ("prompt: a", "write a list of guards"),
        ("", "write a list of guards"),
        ("- just words", "guard 1: write its fields"),
        ("- {prompt: a, contains: x", "not valid YAML"),
        (MERGE_BOMB, r"g.yaml, line \d+: merges \(<<\) come to more than 100,000 fields"),
    ],
)
def test_a_file_that_says_it_wrongly_is_refused_with_the_guard_and_the_field(text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        guards_of("g.yaml", text.encode())


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none.yaml: it can't be read"):
        read_guards(tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match="no list of guards"):
        guards_of("g.txt", b"words")
    with pytest.raises(ConfigError, match="not in UTF-8"):
        guards_of("g.yaml", b"- {prompt: \xff}")


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("g.jsonl", '{"prompt": "a", "contains": "b"}\n{"prompt": "c", ', "g.jsonl, line 2: this is not valid JSON"),
        ("g.json", '[{"prompt": "a", "contains": "b", "contains": "c"}]', "the field .contains. stands twice"),
        ("g.json", '[{"prompt": "a", "contains": ["b"]}, {"prompt": "c", "contains": "d"}]', "guard 1: contains"),
        ("g.json", '[{"text": "a", "loss_at_most": NaN}]', "guard 1: loss_at_most"),
        ("g.json", '[{"prompt": "a", "contains": ""}]', "an empty text says nothing"),
        ("g.csv", "prompt,contains\na,b\nc,d,e\n", "g.csv: "),
        ("g.yaml", "- {text: a, loss_at_most: true}", "loss_at_most"),
        ("g.yaml", "- {text: ' ', loss_at_most: 1}", "an empty text says nothing"),
        ("g.yaml", "- {prompt: a, likelier: b, than: [c, b]}", "nothing is likelier than itself"),
    ],
)
def test_no_guard_is_lost_or_taken_otherwise_than_it_stands(name: str, data: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        guards_of(name, data.encode())
