"""The library of guards: what is kept is read back equal, and no file of its folder is lost."""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from engine.common.errors import ConfigError, StoreError
from engine.common.quoting import clean_name
from engine.guards.guard import Guard
from engine.guards.guard_files import read_guards
from engine.guards.guard_sets import LONGEST_NAME, GuardSets

TEA = Guard(prompt="Note 3 of", contains="tea")
texts = st.text(min_size=1, max_size=40)
words = texts.filter(str.strip)
guards = st.one_of(
    st.builds(Guard, prompt=words, contains=words, chat=st.booleans(), answer_tokens=st.integers(1, 1024)),
    st.builds(Guard, name=texts, prompt=words, equals=st.from_regex(r"[-+]?[0-9][0-9:_.e]*[0-9]", fullmatch=True)),
    st.builds(Guard, prompt=words, matches=st.sampled_from(["[0-9]{3,}", "a|b", "^true$"])),
    st.builds(Guard, prompt=words, likelier=st.just("\x00no"), than=st.lists(texts, min_size=1, max_size=3).map(tuple)),
    st.builds(Guard, text=words, loss_at_most=st.floats(1e-9, 1e9)),
)
lists = st.lists(guards, min_size=1, max_size=4, unique_by=lambda guard: guard.title)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> GuardSets:
    return GuardSets(tmp_path_factory.mktemp("data"))


@example(kept=[Guard(prompt="0\x85", matches="a|b")], name="0\u2028 x")
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(kept=lists, name=words.filter(lambda name: clean_name(name)))
def test_what_is_kept_is_read_back_equal_whatever_its_characters(
    shared: GuardSets, kept: list[Guard], name: str
) -> None:
    made = shared.keep(name, kept)
    try:
        assert made.name == clean_name(name)
        assert made.guards == tuple(kept)
        assert GuardSets(shared.folder.parent).kept().sets == (made,)
        assert read_guards(shared.folder / f"{made.set_id}.yaml") == tuple(kept)
    finally:
        shared.delete(made.set_id)
    assert shared.kept().sets == ()


@pytest.mark.parametrize("name", ["../../etc/passwd", "con", "a/b\\c:d*?", "<b>x</b>", "ünï 茶 👩\u200d🚀", "-", "…"])
def test_a_hostile_name_stays_a_name_and_leads_out_of_no_folder(name: str, tmp_path: Path) -> None:
    library = GuardSets(tmp_path)
    made = library.keep(f" {name}\n\u202e\x00", [TEA])
    assert made.name == name
    assert [path.parent for path in tmp_path.rglob("*.yaml")] == [library.folder]
    assert library.kept().sets == (made,)


@pytest.mark.parametrize("name", ["", " \n", "\u202e", "x" * (LONGEST_NAME + 1), "\uff34EA"])
def test_unfit_and_taken_names_are_refused_in_a_sentence(name: str, tmp_path: Path) -> None:
    library = GuardSets(tmp_path)
    kept = library.keep("tea", [TEA])
    other = library.keep("bread", [TEA])
    with pytest.raises(ConfigError, match=r"needs a name of 1 to 80|already a set of guards named"):
        library.keep(name, [TEA])
    with pytest.raises(ConfigError, match=r"needs a name of 1 to 80|already a set of guards named"):
        library.rename(other.set_id, name)
    assert library.kept().sets == (other, kept)


@pytest.mark.parametrize(
    ("unfit", "words"),
    [([], "holds 1 to 200 guards, and these are 0"), ([TEA] * 201, "these are 201"), ([TEA] * 2, "two guards are")],
)
def test_lists_that_no_experiment_takes_are_not_kept(unfit: list[Guard], words: str, tmp_path: Path) -> None:
    library = GuardSets(tmp_path)
    with pytest.raises(ConfigError, match=words):
        library.keep("tea", unfit)
    assert library.kept().sets == ()


def test_a_set_is_renamed_and_deleted_by_its_id_alone(tmp_path: Path) -> None:
    library = GuardSets(tmp_path)
    kept = library.keep("tea", [TEA])
    assert library.rename(kept.set_id, "Tea").name == "Tea"
    assert [(each.set_id, each.name, each.guards) for each in library.kept().sets] == [(kept.set_id, "Tea", (TEA,))]
    outside = tmp_path / "outside.yaml"
    outside.write_text("- {prompt: a, contains: b}", encoding="utf-8")
    library.delete("../outside")
    library.delete("none")
    assert outside.exists()
    library.delete(kept.set_id)
    assert library.kept().sets == ()
    with pytest.raises(ConfigError, match="not kept any more"):
        library.rename(kept.set_id, "again")


def test_a_broken_file_is_told_in_a_sentence_and_loses_nothing(tmp_path: Path) -> None:
    library = GuardSets(tmp_path)
    kept = library.keep("tea", [TEA])
    broken = {
        "cut.yaml": "name: tea\nguards:\n- {prompt: a",
        "wrong.yaml": "name: tea\nguards:\n- {prompt: a, contain: b}",
        "nameless.yaml": "name: \nguards:\n- {prompt: a, contains: b}",
        "empty.yaml": "",
        "<b>.yaml": "\x80",
    }
    for name, text in broken.items():
        (library.folder / name).write_text(text, encoding="latin-1")
    found = library.kept()
    assert found.sets == (kept,)
    assert len(found.problems) == len(broken)
    (wrong,) = (sentence for sentence in found.problems if sentence.startswith("wrong.yaml: "))
    assert "guard 1: contain: there is no such field; did you mean contains" in wrong
    assert wrong.endswith("This file in guards/, in the data folder, is left out until it is mended.")
    for name in broken:
        library.delete(Path(name).stem)
    library.keep("cut", [TEA])
    assert {name: (library.folder / name).read_text(encoding="latin-1") for name in broken} == broken
    (library.folder / "wrong.yaml").write_text(broken["wrong.yaml"].replace("contain:", "contains:"), encoding="utf-8")
    assert [each.set_id for each in library.kept().sets if each.name == "tea"] == [kept.set_id, "wrong"]


def test_a_list_that_was_laid_into_the_folder_is_a_set_named_as_its_file(tmp_path: Path) -> None:
    library = GuardSets(tmp_path)
    (library.folder / "my guards.yaml").write_text("- {prompt: Note 3 of, contains: tea}", encoding="utf-8")
    (library.folder / "notes.txt").write_text("nothing of ours", encoding="utf-8")
    (found,) = library.kept().sets
    assert (found.name, found.guards) == ("my guards", (TEA,))
    assert library.rename(found.set_id, "mine").guards == (TEA,)
    assert [path.name for path in library.folder.glob("*.yaml")] == ["my guards.yaml"]


def test_no_half_written_file_is_left_where_writing_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library = GuardSets(tmp_path)
    kept = library.keep("tea", [TEA])
    before = (library.folder / f"{kept.set_id}.yaml").read_bytes()

    def refuse(self: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", refuse)
    for change in (lambda: library.keep("bread", [TEA]), lambda: library.rename(kept.set_id, "bread")):
        with pytest.raises(StoreError, match="the disk is full"):
            change()
    assert [path.name for path in library.folder.iterdir() if path.name != ".lock"] == [f"{kept.set_id}.yaml"]
    assert (library.folder / f"{kept.set_id}.yaml").read_bytes() == before


def test_a_kept_set_is_read_by_all_that_read_files_of_guards(tmp_path: Path) -> None:
    data = {"name": "tea", "guards": [{"prompt": "Note 3 of", "contains": "tea"}]}
    (tmp_path / "set.json").write_text(json.dumps(data), encoding="utf-8")
    assert read_guards(tmp_path / "set.json") == (TEA,)
    (tmp_path / "set.json").write_text(json.dumps(data | {"name": 3}), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"set\.json: name: write a name"):
        read_guards(tmp_path / "set.json")
