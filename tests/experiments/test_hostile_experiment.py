"""Experiment files from strangers: only our own errors, in short sentences, and never for long."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.common.errors import ConfigError
from engine.common.parameters import Parameter, parameters_of
from engine.common.paths import is_file
from engine.common.quoting import clean_name, quoted, shortened, visible
from engine.experiments.experiment import Experiment, experiment_from
from engine.experiments.training import Training
from engine.experiments.yaml_file import MAX_CHARACTERS, load_experiment, parse_experiment, to_yaml
from engine.strategies import registry
from ui.widgets.forms import parse_seeds, parse_values
from ui.widgets.text import plain

QUICK = settings(max_examples=80, deadline=None)
GOOD: dict[str, Any] = {"name": "x", "tasks": [{"name": "a", "train": "a.txt"}], "strategies": ["naive"]}
ODD = "ab \n\t\r\0\x1b\ufeff\u202e\u2028\ud800\U0010ffff,:-&*!|>'\"{}[]#%@`é图🙂0.e"
TEXTS = st.text(st.sampled_from(ODD), max_size=40)
WORDS = TEXTS | st.sampled_from(
    ["naive", "replay", "ewc", "replay+ewc", "joint", "ewc_lambda", "auto", "row", "a.txt", "", "x" * 10_000]
)
NUMBERS = st.integers() | st.floats() | st.sampled_from([10**30, -1, 2**63, float("nan"), float("inf")])
PLAIN = st.none() | st.booleans() | NUMBERS | WORDS | st.dates() | st.binary(max_size=4)
DATA = st.recursive(PLAIN, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=4))


def fields_of(names: list[str]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=dict.fromkeys(names, DATA))


TASKS = fields_of(["name", "train", "test", "split", "text_column", "encoding", "held_out_share", "split_seed"])
TRAINING = fields_of([declared.name for declared in parameters_of(Training)])
EXPERIMENTS = st.fixed_dictionaries(
    {},
    optional={
        "name": DATA, "model": DATA, "tasks": st.lists(TASKS, max_size=3) | DATA, "training": TRAINING | DATA,
        "strategies": st.lists(DATA | st.sampled_from(["naive", "joint"]), max_size=3), "seeds": DATA, "extra": DATA,
    },
)  # fmt: skip


def parsed(text: str) -> Experiment | None:
    """What is accepted survives its own form; nothing but our own error says no."""
    try:
        found = parse_experiment(text)
    except ConfigError:
        return None
    assert parse_experiment(to_yaml(found)) == found
    for name in (found.name, *(task.name for task in found.tasks)):
        assert name == clean_name(name)
    return found


@QUICK
@given(st.text(max_size=200) | TEXTS)
def test_any_text_is_an_experiment_or_refused(text: str) -> None:
    parsed(text)


@QUICK
@given(EXPERIMENTS)
def test_any_data_in_any_field_is_taken_or_refused(changes: dict[str, Any]) -> None:
    try:
        experiment_from(GOOD | changes)
    except ConfigError as error:
        plain(str(error)).encode()
    try:
        text = yaml.safe_dump(GOOD | changes, allow_unicode=True)
    except (yaml.YAMLError, UnicodeEncodeError):  # what no file can hold
        return
    parsed(text)


def bomb(levels: int) -> str:
    """YAML of a few lines that stands for 9 to the power of `levels` words."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, levels)]
    return "\n".join(lines)


def merge_bomb(levels: int) -> str:
    """YAML of a few lines whose merges come to 9 to the power of `levels` fields."""
    lines = [f"a{i}: &a{i} {{<<: [{', '.join([f'*a{i - 1}'] * 9)}]}}" for i in range(1, levels)]
    return "\n".join(["a0: &a0 {x: 1}", *lines])


def file(before: str = "", **fields: object) -> str:
    """An experiment file that is right but for these fields."""
    lines = {"name": "x", "tasks": "[{name: a, train: a.txt}]", "strategies": "[naive]"} | fields
    return "\n".join([before, *(f"{name}: {value}" for name, value in lines.items())])


BOMB, LONG = bomb(30), "x" * 10_000
MANY = list(range(1000))
HOSTILE = {
    "a bomb as a value": file(BOMB, strategies="[{ewc: {ewc_lambda: *a29}}]"),
    "a bomb as seeds": file(BOMB, seeds="*a29"),
    "a bomb as tasks": file(BOMB, tasks="*a29"),
    "a bomb as a training setting": file(BOMB, training="{epochs: *a29}"),
    "what holds itself": file(strategies="[{ewc: {ewc_lambda: &a [*a]}}]"),
    "merges of merges": file(merge_bomb(30)),
    "merges of merges in a task": file(merge_bomb(30), tasks="[{name: a, train: a.txt, <<: *a29}]"),
    "many merges of many fields": file(
        f"a: &a {{{', '.join(f'k{i}: 1' for i in range(1000))}}}", training=f"{{<<: [{'*a, ' * 10_000}]}}"
    ),
    "what merges itself": file(training="&a {<<: *a}"),
    "depth": "[" * 3000,
    "a tag that would run code": file(name="!!python/object/apply:os.system ['touch x']"),
    "a tag of the wrong kind": file(name="!!bool maybe"),
    "an impossible date": file(name="2020-02-30"),
    "a number of 5,000 digits": file(seeds=f"[{'1' * 5000}]"),
    "a hexadecimal one": file(seeds=f"[0x{'f' * 5000}]"),
    "a number that is none": file(training="{learning_rate: .nan}"),
    "a thousand unknown keys": file(**{f"k{i}": i for i in range(1000)}),
    "a key of 900 characters": file(**{"k" * 900: 1}),
    "two tasks of one name": file(tasks="[{name: a, train: a.txt}, {name: ' a\u202e', train: b.txt}]"),
    "an empty path": file(tasks='[{name: a, train: ""}]'),
    "a path with NUL": file(tasks='[{name: a, train: "a\\0.txt"}]'),
    "a path of 10,000 characters": file(tasks=f"[{{name: a, train: {LONG}}}]"),
    "a model of 10,000 characters": file(model=LONG),
    "a name of 10,000 characters": file(name=LONG),
    "a strategy of 10,000 characters": file(strategies=f"[{'x+' * 5000}]"),
    "a name of nothing to see": file(name='"\\u202e\\u200b\\0"'),
    "too much": file("#" + "x" * MAX_CHARACTERS),
    "a billion runs": file(strategies=f"[{{ewc: {{ewc_lambda: {MANY}, fisher_documents: {MANY}}}}}]"),
    "too many runs": file(strategies=f"[{{ewc: {{ewc_lambda: {MANY[:100]}}}}}]", seeds=MANY),
    "too many seeds": file(seeds=list(range(20_000))),
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=list(HOSTILE))
def test_what_is_made_to_harm_is_refused_at_once_in_a_few_sentences(text: str) -> None:
    began = time.process_time()
    with pytest.raises(ConfigError) as found:
        parse_experiment(text)
    assert len(str(found.value)) < 1500
    assert time.process_time() - began < 8


@pytest.mark.parametrize("name", ["merges of merges", "merges of merges in a task", "many merges of many fields"])
def test_a_bomb_of_merges_is_refused_with_its_line_and_what_to_do(name: str) -> None:
    with pytest.raises(ConfigError, match=r", line \d+: merges \(<<\) come to more than 100,000 fields here; write"):
        parse_experiment(HOSTILE[name])


def test_fields_are_merged_as_yaml_says() -> None:
    one, both = "{text_column: x, split_seed: 3}", "[{text_column: y}, {text_column: x, split_seed: 3}]"
    tasks = f"[{{name: a, train: a.txt, <<: {one}}}, {{<<: {both}, name: b, train: b.txt}}]"
    found = parse_experiment(file(tasks=tasks))
    assert [(task.text_column, task.split_seed) for task in found.tasks] == [("x", 3), ("y", 3)]


def test_links_that_lead_in_a_circle_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    (tmp_path / "x.yaml").write_text(json.dumps(GOOD | {"tasks": [{"name": "a", "train": "a/x.txt"}]}))
    with pytest.raises(ConfigError, match="can't be followed"):
        load_experiment(tmp_path / "x.yaml")


@pytest.mark.parametrize("path", ["x" * 5000, "x/" * 3000, "a\0b", "\ud800", "/etc/passwd/x", "", "/dev/null", "/"])
def test_no_path_is_more_than_no_file(path: str) -> None:
    assert not is_file(path)


def test_a_name_is_cleaned_where_it_comes_in() -> None:
    found = experiment_from(GOOD | {"name": " a\u202e\0 b\n\u200bc "})
    assert found.name == "a b c"


def declarations() -> Iterator[Parameter]:
    for strategy in registry().values():
        yield from parameters_of(strategy)


@QUICK
@given(TEXTS | st.text(max_size=30) | st.sampled_from(["9" * 4000, "-" + "9" * 18, "1e999", "nan", "1_0", "٣", "0x1"]))
def test_whatever_is_typed_as_seeds_or_values_is_read_or_refused(text: str) -> None:
    for read in (parse_seeds, *(lambda text, declared=d: parse_values(declared, text) for d in declarations())):
        complaint = ""
        try:
            read(text)
        except ConfigError as error:
            complaint = str(error)
        assert len(complaint) < 400


def test_many_seeds_take_no_time_to_read() -> None:
    began = time.process_time()
    assert len(parse_seeds(",".join(map(str, range(50_000))))) == 50_000
    assert time.process_time() - began < 2


@QUICK
@given(st.text() | TEXTS)
def test_quotations_are_short_and_show_nothing_hidden(text: str) -> None:
    assert len(quoted([text] * 9)) < 600
    assert len(shortened(text * 9)) <= 101
    assert clean_name(clean_name(text)) == clean_name(text) == visible(clean_name(text))
    visible(text).encode()
