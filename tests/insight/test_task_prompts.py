import json
from pathlib import Path
from typing import Any

from engine.insight.requests import Prompt
from engine.insight.task_prompts import BEGINNING_CHARACTERS, HeldOutPrompt, held_out_prompts
from engine.tasks.spec import TaskSpec


def spec(folder: Path, rows: list[dict[str, Any]], **fields: Any) -> TaskSpec:
    """A task that is held out row by row, and trains on one other row."""
    write(folder / "test.jsonl", rows)
    write(folder / "train.jsonl", [{key: other(value) for key, value in rows[0].items()}])
    return TaskSpec(name="t", train=[str(folder / "train.jsonl")], test=[str(folder / "test.jsonl")], **fields)


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")


def other(value: Any) -> Any:
    return f"other {value}" if isinstance(value, str) else [{"role": "user", "content": "other"}, value[-1]]


def test_a_pair_gives_its_prompt_with_the_separator(tmp_path: Path) -> None:
    rows = [{"q": f"Q{n}?", "a": f"A{n}."} for n in range(3)]
    task = spec(tmp_path, rows, prompt_column="q", completion_column="a", separator=" =>")
    assert held_out_prompts(task, 2) == [HeldOutPrompt(Prompt(f"Q{n}? =>"), f"A{n}.") for n in range(2)]
    as_chat = task.model_copy(update={"template": "plain"})
    assert held_out_prompts(as_chat, 1) == [HeldOutPrompt(Prompt("Q0?", chat=True), "A0.")]


def test_a_conversation_gives_what_the_user_says_first(tmp_path: Path) -> None:
    said = [
        ("system", "Be kind."),
        ("user", "Hello"),
        ("assistant", "Good day."),
        ("user", "Bye"),
        ("assistant", "Bye."),
    ]
    rows = [{"messages": [{"role": role, "content": content} for role, content in said]}]
    found = held_out_prompts(spec(tmp_path, rows, messages_column="messages"), 5)
    assert found == [HeldOutPrompt(Prompt("Hello", chat=True), "Good day.")]


def test_a_text_gives_its_beginning_and_loses_nothing_at_the_cut(tmp_path: Path) -> None:
    texts = ["word " * 100, "short text", "图书馆" * 200]
    found = held_out_prompts(spec(tmp_path, [{"text": text} for text in texts], text_column="text"), 5)
    for each, text in zip(found, texts, strict=True):
        assert text.strip().startswith(each.prompt.text + each.own[:10])
        assert 0 < len(each.prompt.text) <= min(BEGINNING_CHARACTERS, len(text) // 2)
    assert found[0].prompt.text.endswith("word")
    assert found[0].own.startswith(" word")
