"""From a specification to documents on two sides."""

import json
from pathlib import Path
from typing import Any

import pytest

from engine.common.errors import TaskError
from engine.tasks import load_task
from engine.tasks.spec import TaskSpec


def written(folder: Path, name: str, data: str | bytes) -> str:
    path = folder / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return str(path)


def test_text_is_cut_and_a_share_held_out(tmp_path: Path) -> None:
    path = written(tmp_path, "a.txt", "\n\n".join(f"document {i}\nof two lines" for i in range(20)))
    task = load_task(TaskSpec(name="a", train=path))
    assert (len(task.train), len(task.held_out)) == (18, 2)
    assert task.train[0].text.endswith("of two lines")


def test_held_out_files_are_cut_as_the_training_files_are(tmp_path: Path) -> None:
    train = written(tmp_path, "a.txt", "\n\n\n".join(f"# {i}\n\nstep" for i in range(5)))
    test = written(tmp_path, "b.txt", "# last\n\nstep")
    task = load_task(TaskSpec(name="a", train=(train,), test=(test,)))
    assert len(task.train) == 5
    assert [d.text for d in task.held_out] == ["# last\n\nstep"]


def test_several_files_of_several_kinds_make_one_task(tmp_path: Path) -> None:
    paths = (
        written(tmp_path, "a.txt", "one\n\ntwo\n\nthree"),
        written(tmp_path, "b.csv", "text,label\nfour,1\nfive,2\n"),
        written(tmp_path, "c.md", "---\ntitle: six\n---\nSix."),
        written(tmp_path, "d.md", "Seven.\n\nStill seven."),
        written(tmp_path, "e.jsonl", '{"text": "eight"}'),
    )
    task = load_task(TaskSpec(name="a", train=paths))
    assert {d.text for d in task.train + task.held_out} == {
        "one", "two", "three", "four", "five", "Six.", "Seven.\n\nStill seven.", "eight",
    }  # fmt: skip


def test_a_file_of_both_sides_is_trained_on_one_and_scored_on_the_other(tmp_path: Path) -> None:
    both = {"train": [f"learnt {i}" for i in range(9)], "test": [f"scored {i}" for i in range(3)]}
    task = load_task(TaskSpec(name="a", train=written(tmp_path, "a.json", json.dumps(both))))
    assert [d.text for d in task.train] == both["train"]
    assert [d.text for d in task.held_out] == both["test"]


def test_prompt_and_completion_columns_are_kept_apart(tmp_path: Path) -> None:
    rows = [{"q": f"question {i}?", "a": f" answer {i}"} for i in range(10)]
    path = written(tmp_path, "a.jsonl", "\n".join(map(json.dumps, rows)))
    task = load_task(TaskSpec(name="a", train=path, prompt_column="q", completion_column="a"))
    assert all(d.prompt.startswith("question") and d.text.startswith(" answer") for d in task.train + task.held_out)


def test_a_spelled_out_special_token_stays_text(tmp_path: Path) -> None:
    path = written(tmp_path, "a.txt", "one <|endoftext|> still one\n\ntwo\n\nthree")
    task = load_task(TaskSpec(name="a", train=path))
    assert "one <|endoftext|> still one" in {d.text for d in task.train + task.held_out}


def test_the_encoding_of_the_specification_wins(tmp_path: Path) -> None:
    path = written(tmp_path, "a.txt", "é\nè\nê".encode("latin-1"))
    task = load_task(TaskSpec(name="a", train=path, encoding="windows-1251"))
    assert {d.text for d in task.train + task.held_out} == {"й", "и", "к"}


def test_rows_left_out_unused_columns_and_guessed_encodings_are_remarked_on(tmp_path: Path) -> None:
    broken = written(tmp_path, "a.csv", "text,n\none,1\ntwo,2\nthree\n")
    guessed = written(tmp_path, "b.txt", "süß\n\nschön\n\nnaß".encode("latin-1"))
    reading = load_task(TaskSpec(name="a", train=(broken, guessed))).reading
    said = " ".join(reading.remarks)
    assert "a.csv: 1 row was left out" in said
    assert "b.txt: read as latin-1" in said
    assert "1 column is not used: 'n'." in said
    assert (reading.kind, reading.columns, reading.unused_columns) == ("text", ("text",), ("n",))


def test_repeated_documents_are_remarked_on(tmp_path: Path) -> None:
    train = written(tmp_path, "a.txt", "one\ntwo\none\nthree\nfour")
    test = written(tmp_path, "b.txt", "five\ntwo")
    assert load_task(TaskSpec(name="a", train=train, test=test)).reading.remarks == (
        "1 repeated document was left out.",
        "1 training document was left out because the held-out text has it too.",
    )


def test_a_task_may_be_scored_on_its_own_training_text_where_that_is_asked_for(tmp_path: Path) -> None:
    for text in ("All is well.", "All is well.\nAll is well.", "Haste makes waste.\nStill waters run deep."):
        path = written(tmp_path, "a.txt", text)
        task = load_task(TaskSpec(name="a", train=path, held_out="train"))
        assert task.train == task.held_out
        assert {d.text for d in task.train} == set(text.split("\n"))
        assert task.reading.scored_on_training
        assert "Nothing is held out" in task.reading.remarks[-1]


def test_conversations_and_plain_texts_are_no_task_together(tmp_path: Path) -> None:
    chat = written(
        tmp_path, "a.jsonl", '{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}'
    )
    text = written(tmp_path, "b.txt", "one\ntwo")
    with pytest.raises(TaskError, match="holds conversations and plain texts; make a task of each"):
        load_task(TaskSpec(name="a", train=(chat, text)))


def test_missing_files_and_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match=r"nowhere\.txt: there is no such file; check the path"):
        load_task(TaskSpec(name="a", train=str(tmp_path / "nowhere.txt")))
    with pytest.raises(TaskError, match="this is a folder"):
        load_task(TaskSpec(name="a", train=str(tmp_path)))


def test_a_missing_column_is_named_with_its_file(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", "text,label\nx,1\ny,2\n")
    with pytest.raises(TaskError, match=r"a\.csv: there is no column 'body'; choose one of text, label"):
        load_task(TaskSpec(name="a", train=path, text_column="body"))


def test_the_same_files_give_the_same_fingerprints(tmp_path: Path) -> None:
    path = written(tmp_path, "a.txt", "\n".join(f"line {i}" for i in range(30)))
    first, second = (load_task(TaskSpec(name="a", train=path)) for _ in range(2))
    assert first.train_fingerprint == second.train_fingerprint
    assert first.held_out_fingerprint != first.train_fingerprint


def test_lists_that_a_file_brings_to_hold_out_are_used_or_said_to_be_unused(tmp_path: Path) -> None:
    both, other = tmp_path / "both.json", tmp_path / "other.jsonl"
    both.write_text(json.dumps({"train": ["a", "b"], "test": ["c"]}), encoding="utf-8")
    other.write_text('{"text": "d"}\n', encoding="utf-8")

    def texts(**fields: Any) -> tuple[list[str], list[str], str]:
        task = load_task(TaskSpec(name="t", train=str(both), **fields))
        return [d.text for d in task.train], [d.text for d in task.held_out], " ".join(task.reading.remarks)

    learnt, tested, said = texts()
    assert (learnt, tested) == (["a", "b"], ["c"])
    assert "not used" not in said
    learnt, tested, said = texts(test=str(other))
    assert (learnt, tested) == (["a", "b"], ["d"])
    assert "both.json/test: is not used, since other files are held out." in said
    assert texts(held_out="train")[:2] == (["a", "b"], ["a", "b"])
    assert "both.json/test: is not used, since nothing is held out." in texts(held_out="train")[2]
    learnt, tested, said = texts(test=str(both))
    assert (learnt, tested) == (["a", "b"], ["c"])
    assert "both.json/train: is not used, since the file is to be held out and has another list for that." in said
