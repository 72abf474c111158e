from pathlib import Path

import pytest

from engine.common.errors import ConfigError, StoreError
from engine.insight import prompt_sets
from engine.insight.prompt_sets import LONGEST_NAME, LONGEST_PROMPT, PromptSets
from engine.insight.requests import MOST_PROMPTS


def test_a_kept_set_is_found_again_whatever_its_characters(tmp_path: Path) -> None:
    sets = PromptSets(tmp_path)
    kept = sets.keep("  Tea\n<b> ", ["Brot & 茶 👩\u200d🚀\n", "\ud800 half"])
    assert kept.name == "Tea <b>"
    assert PromptSets(tmp_path).sets() == (kept,)
    assert [path.name for path in tmp_path.glob("prompts/*.json")] == [f"{kept.set_id}.json"]
    sets.delete(kept.set_id)
    sets.delete(kept.set_id)
    sets.delete("../../etc")
    assert sets.sets() == ()


def test_sets_stand_by_name_and_what_is_none_is_passed_over(tmp_path: Path) -> None:
    sets = PromptSets(tmp_path)
    for name in ("tea", "Bread"):
        sets.keep(name, ["x"])
    for number, text in enumerate(("", "[]", '{"name": 3, "prompts": ["x"]}', '{"name": "x", "prompts": []}', "\x80")):
        (sets.folder / f"{number}.json").write_text(text, encoding="latin-1")
    assert [each.name for each in sets.sets()] == ["Bread", "tea"]


@pytest.mark.parametrize("name", ["", " \n", "x" * (LONGEST_NAME + 1), "TEA"])
def test_unfit_and_taken_names_are_refused_in_a_sentence(name: str, tmp_path: Path) -> None:
    sets = PromptSets(tmp_path)
    sets.keep("tea", ["x"])
    with pytest.raises(ConfigError, match=r"needs a name of 1 to 80|already a set of prompts named 'TEA'"):
        sets.keep(name, ["x"])
    assert len(sets.sets()) == 1


@pytest.mark.parametrize(
    ("prompts", "words"),
    [
        ([], "There is no prompt"),
        (["x", " \n"], "Prompt 2 is empty"),
        (["x" * (LONGEST_PROMPT + 1)], "Prompt 1 has 8,001 characters"),
        (["x"] * (MOST_PROMPTS + 1), "These are 201 prompts"),
    ],
)
def test_empty_and_too_large_sets_are_refused_in_a_sentence(prompts: list[str], words: str, tmp_path: Path) -> None:
    sets = PromptSets(tmp_path)
    with pytest.raises(ConfigError, match=words):
        sets.keep("tea", prompts)
    with pytest.raises(ConfigError, match=words):
        sets.note(prompts)
    assert sets.sets() == ()


def test_what_was_asked_is_found_by_a_key_of_its_content(tmp_path: Path) -> None:
    sets = PromptSets(tmp_path)
    key = sets.note(["a\n", "b"])
    assert sets.note(["a\n", "b"]) == key != sets.note(["a", "b"])
    assert sets.noted(key) == ("a\n", "b")
    assert [sets.noted(other) for other in ("", "0" * 16, "../x")] == [None] * 3
    assert sets.sets() == ()


def test_the_oldest_of_what_was_asked_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prompt_sets, "MOST_ASKED", 2)
    sets = PromptSets(tmp_path)
    for text in ("a", "b", "c"):
        sets.note([text])
    assert len(list(sets.folder.glob("asked/*.json"))) == 2


def test_no_half_written_file_is_left_where_writing_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sets = PromptSets(tmp_path)

    def refuse(self: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(StoreError, match="the disk is full"):
        sets.keep("tea", ["x"])
    assert [path.name for path in sets.folder.iterdir() if path.name != ".lock"] == []
