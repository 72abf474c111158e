"""The results file of lm-evaluation-harness: what is read of it, and what is refused in which words."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.common.errors import ConfigError
from engine.harness import results_file
from engine.harness.results_file import HarnessValue, read_bytes, results_of

WHOLE: dict[str, Any] = {
    "results": {
        "arc_easy": {
            "name": "arc_easy", "alias": "arc_easy", "sample_len": 2376, "acc,none": 0.25, "acc_stderr,none": 0.0089,
            "acc_norm,none": 0.5, "acc_norm_stderr,none": "N/A",
        },
        "gsm8k": {
            "alias": "gsm8k", "exact_match,strict-match": 0.125, "exact_match_stderr,strict-match": 0.01,
            "exact_match,flexible-extract": "0.25", "exact_match_stderr,flexible-extract": 0.02,
        },
        "wikitext": {"alias": " - wikitext", "word_perplexity,none": float("nan"), "byte_perplexity,none": "N/A"},
    },
    "configs": {"arc_easy": {"task": "arc_easy"}},
    "n-shot": {"arc_easy": 0, "gsm8k": 5},
    "higher_is_better": {"arc_easy": {"acc": True, "acc_norm": True}, "wikitext": {"word_perplexity": False}},
    "n-samples": {"arc_easy": {"original": 2376, "effective": 100}},
    "config": {"model": "hf", "model_args": {"pretrained": "/models/base", "peft": "/runs/a-000/stage-2"}},
    "lm_eval_version": "0.4.13",
}  # fmt: skip


def read(found: Any) -> results_file.HarnessResults:
    return results_of("r.json", json.dumps(found).encode())


def test_values_come_with_their_errors_and_what_else_is_said_of_them() -> None:
    found = read(WHOLE)
    arc = {"task": "arc_easy", "items": 100, "shots": 0, "higher_is_better": True}
    gsm = {"task": "gsm8k", "metric": "exact_match", "shots": 5}
    assert found.values == (
        HarnessValue(**arc, metric="acc", value=0.25, stderr=0.0089),
        HarnessValue(**arc, metric="acc_norm", value=0.5),
        HarnessValue(**gsm, filter="strict-match", value=0.125, stderr=0.01),
        HarnessValue(**gsm, filter="flexible-extract", value=0.25, stderr=0.02),
        HarnessValue(task="wikitext", metric="word_perplexity", higher_is_better=False),
        HarnessValue(task="wikitext", metric="byte_perplexity"),
    )
    assert (found.version, found.model, found.left_out) == ("0.4.13", "/runs/a-000/stage-2", ())


def test_the_number_of_items_stands_with_the_task_where_nothing_else_says_it() -> None:
    without = {name: WHOLE[name] for name in WHOLE if name != "n-samples"}
    assert [value.items for value in read(without).values] == [2376, 2376, None, None, None, None]


@pytest.mark.parametrize(
    ("more", "model"),
    [
        ({"config": {"model_args": "pretrained=/a/b,dtype=float32"}}, "/a/b"),
        ({"config": {"model_args": "pretrained=gpt2,peft=/c=d"}}, "/c=d"),
        ({"config": {"model_args": {"pretrained": "/a, b"}}}, "/a, b"),
        ({"config": {"model_args": None}}, ""),
        ({"config": None}, ""),
        ({"model_name": "/runs/x/stage-1"}, "/runs/x/stage-1"),
    ],
)
def test_the_model_that_was_evaluated_is_named(more: dict[str, Any], model: str) -> None:
    assert read(WHOLE | more).model == model


def test_what_is_no_number_is_named_and_left_out() -> None:
    task = {"acc,none": 0.5, "matrix,none": [[1, 2]], "words,none": "many", "flag,none": True}
    assert read({"results": {"t": task}}).left_out == ("t: matrix,none", "t: words,none", "t: flag,none")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "not valid JSON"),
        (b"{" * 100_000, "not valid JSON"),
        (b"\xff\xfe\x00", "not in UTF-8"),
        (b"[]", "there is no `results`"),
        (b'{"results": {}}', "there is no `results`"),
        (b'{"results": [1]}', "there is no `results`"),
        (b'{"a": 1, "a": 2}', "the field 'a' stands twice"),
        (b'{"results": {"t": 3}}', "results, 't': write its metrics as fields, not 3"),
        (b'{"results": {"t": {"acc,none": "N/A"}}}', "none of its tasks has a metric with a number"),
        (b'{"results": {"t": {"acc,none": NaN}}}', "none of its tasks has a metric with a number"),
        (b'{"results": {"t": {"acc": 0.5}}}', "none of its tasks has a metric with a number"),
        (b'{"results": {"t": {"acc,none": 0.5, "acc_stderr,none": -1}}}', "'t', 'acc,none': stderr: must be 0.0 or ab"),
        (b'{"results": {"t": {"acc,none": 0.5}}, "n-samples": []}', "n-samples: there must be tasks .*not a list"),
        (b'{"results": {"t": {"acc,none": 0.5}}, "n-samples": {"t": 5}}', "n-samples, 't': there must be fields"),
        (b'{"results": {"t": {"acc,none": 0.5}}, "n-samples": {"t": {"effective": "x"}}}', "'acc,none': items: "),
        (b'{"results": {"t": {"acc,none": 0.5}}, "n-shot": {"t": -1}}', "'acc,none': shots: must be 0 or above"),
        (b'{"results": {"": {"acc,none": 0.5}}}', "task: "),
        (b'{"results": {"%s": {"acc,none": 0.5}}}' % (b"x" * 300), "task: "),
    ],
)
def test_a_file_that_is_something_else_is_refused_with_the_place(data: bytes, words: str) -> None:
    with pytest.raises(ConfigError, match=f"r.json: .*{words}"):
        results_of("r.json", data)


def test_a_number_without_end_is_no_number() -> None:
    data = b'{"results": {"t": {"acc,none": 1e999, "f1,none": 1%s, "em,none": 1}}}' % (b"0" * 400)
    found = results_of("r.json", data)
    assert [value.value for value in found.values] == [None, 1.0]
    assert found.left_out == ("t: f1,none",)


def test_what_is_too_large_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results_file, "MOST_BYTES", 10)
    (tmp_path / "r.json").write_bytes(b"{" + b" " * 10 + b"}")
    with pytest.raises(ConfigError, match=r"r.json: it is larger than"):
        read_bytes(tmp_path / "r.json")
    with pytest.raises(ConfigError, match=r"r.json: it is larger than"):
        results_of("r.json", (tmp_path / "r.json").read_bytes())
    with pytest.raises(ConfigError, match=r"none.json: it can't be read"):
        read_bytes(tmp_path / "none.json")
    monkeypatch.setattr(results_file, "MOST_BYTES", 1000)
    monkeypatch.setattr(results_file, "MOST_VALUES", 1)
    with pytest.raises(ConfigError, match="holds 2 values; at most 1"):
        read({"results": {"t": {"a,none": 1, "b,none": 1}}})


def test_names_are_made_fit_to_be_shown() -> None:
    found = read({"results": {"t\u202e\n<b>": {"a\x00cc,\ud800f": 1, "\udfffx,none": []}}})
    (value,) = found.values
    assert (value.task, value.metric, value.filter) == ("t <b>", "acc", "f")
    assert found.left_out == ("t <b>: x,none",)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
)


FIELDS = ("results", "n-samples", "n-shot", "higher_is_better", "config")


@given(st.fixed_dictionaries(dict.fromkeys(FIELDS, JSON)))
def test_whatever_stands_there_is_read_or_refused_in_words(found: Any) -> None:
    words = "r.json: "
    try:
        assert read(found).values
    except ConfigError as refused:
        words = str(refused)
    assert words.startswith("r.json: ")
