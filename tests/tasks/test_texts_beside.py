"""The reference text as people write it, and what it has not got of a task."""

from typing import Any

import pytest
from pydantic import ValidationError

from engine.common.errors import ConfigError
from engine.tasks.spec import TaskSpec
from engine.tasks.texts_beside import GeneralSpec, ReferenceSpec, check_untouched


@pytest.mark.parametrize(
    ("written", "train"),
    [
        ("general.txt", ("general.txt",)),
        (["a.txt", "b.txt"], ("a.txt", "b.txt")),
        ({"train": "a.csv", "text_column": "text"}, ("a.csv",)),
        ({"name": "general", "train": ["a.txt"], "split": "line"}, ("a.txt",)),
    ],
)
def test_a_path_a_list_or_fields_are_read(written: Any, train: tuple[str, ...]) -> None:
    found = ReferenceSpec.model_validate(written)
    assert found.train == train
    assert found.held_out == "train"
    assert ReferenceSpec.model_validate_json(found.model_dump_json()) == found


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("test", "b.txt"), ("held_out", "documents"), ("held_out_share", 0.2), ("split_seed", 3),
        ("learning_rate", 1e-3), ("epochs", 2),
    ],
)  # fmt: skip
def test_fields_of_holding_out_and_training_are_refused_by_name(field: str, value: Any) -> None:
    with pytest.raises(ValidationError) as refused:
        ReferenceSpec.model_validate({"train": "a.txt", field: value})
    (problem,) = refused.value.errors()
    assert problem["loc"] == (field,)
    assert "leave this field out" in problem["msg"]


def test_the_training_side_of_a_task_is_read_as_the_task_reads_it() -> None:
    task = TaskSpec(
        name="chats",
        train=("a.jsonl",),
        test=("b.jsonl",),
        messages_column="m",
        template="plain",
        epochs=3,
        split="row",
    )
    found = ReferenceSpec.of(task)
    assert (found.name, found.train, found.messages_column, found.template) == ("chats", ("a.jsonl",), "m", "plain")
    assert (found.test, found.epochs, found.held_out) == ((), None, "train")


def test_a_general_text_that_a_task_reads_on_either_side_is_refused_by_the_name_of_the_task() -> None:
    apart = TaskSpec(name="a", train=("a.txt",))
    for task in (TaskSpec(name="b", train=("x.txt", "b.txt")), TaskSpec(name="b", train=("x.txt",), test=("b.txt",))):
        with pytest.raises(ConfigError, match="The task 'b' reads a file of the general text"):
            check_untouched(GeneralSpec(train=("b.txt",)), [apart, task])
    check_untouched(GeneralSpec(train=("b.txt",)), [apart])
    check_untouched(GeneralSpec.shipped(), [apart])
    check_untouched(None, [apart])
