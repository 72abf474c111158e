"""What people say of experiments and runs, and the log of who changed what."""

from pathlib import Path

import pytest

from engine.common.errors import StoreError
from engine.experiments.origin import Origin, origin_of
from engine.housekeeping import Chosen, Thing, changes, labels, overview, wastebin
from engine.store import Store
from tests.fake_runs import experiment


@pytest.fixture
def added(store: Store, tmp_path: Path) -> tuple[str, list[str]]:
    experiment_id = store.add_experiment(experiment(tmp_path))
    return experiment_id, store.runs(experiment_id)["run_id"].tolist()


def test_many_are_tagged_at_once_and_keep_the_tags_that_they_had(store: Store, added: tuple[str, list[str]]) -> None:
    experiment_id, (first, second) = added
    labels.change_tags(store, Chosen(runs=(first,)), ["old"])
    labels.change_tags(store, Chosen((experiment_id,), (first, second)), [" paper  figure 2 ", "keep"], ["absent"])
    table = overview.read(store)
    assert table.runs["tags"].tolist() == [["old", "paper figure 2", "keep"], ["paper figure 2", "keep"]]
    assert table.experiments["tags"].tolist() == [["paper figure 2", "keep"]]
    assert table.runs["experiment_tags"].tolist() == [["paper figure 2", "keep"]] * 2
    labels.change_tags(store, Chosen(runs=(first, second)), remove=["keep"])
    assert overview.read(store).runs["tags"].tolist() == [["old", "paper figure 2"], ["paper figure 2"]]


@pytest.mark.parametrize("tag", ["  ", "x" * 41, "\u200b"])
def test_a_tag_that_nobody_could_read_is_refused(store: Store, added: tuple[str, list[str]], tag: str) -> None:
    with pytest.raises(StoreError, match="A tag"):
        labels.change_tags(store, Chosen((added[0],)), ["fine", tag])
    assert overview.read(store).experiments["tags"].tolist() == [[]]


def test_too_many_tags_change_nothing(store: Store, added: tuple[str, list[str]]) -> None:
    with pytest.raises(StoreError, match="20 tags at most"):
        labels.change_tags(store, Chosen((added[0],)), [str(number) for number in range(21)])
    assert overview.read(store).experiments["tags"].tolist() == [[]]


def test_notes_titles_and_archiving_show_in_the_table(store: Store, added: tuple[str, list[str]]) -> None:
    experiment_id, (first, second) = added
    labels.set_notes(store, Chosen((experiment_id,), (second,)), " Looks odd.\nAsk Edith. ")
    labels.set_title(store, first, "  the  baseline ")
    labels.set_archived(store, Chosen(runs=(second,)), archived=True)
    table = overview.read(store)
    assert table.runs["notes"].tolist() == ["", "Looks odd.\nAsk Edith."]
    assert table.runs["title"].tolist() == ["the baseline", ""]
    assert table.runs["archived"].tolist() == [False, True]
    assert table.experiments["archived"].tolist() == [False]
    first_said, second_said = labels.described(store, Chosen(runs=(first, second)))
    assert (first_said.title, first_said.notes, first_said.archived) == ("the baseline", "", False)
    assert (second_said.title, second_said.notes, second_said.archived) == ("", "Looks odd.\nAsk Edith.", True)
    labels.set_archived(store, Chosen((experiment_id,)), archived=True)
    assert overview.read(store).runs["archived"].tolist() == [True, True]
    assert store.experiments()["archived"].tolist() == [True]
    labels.set_archived(store, Chosen((experiment_id,), (second,)), archived=False)
    assert overview.read(store).runs["archived"].tolist() == [False, False]
    with pytest.raises(StoreError, match="20,000 characters"):
        labels.set_notes(store, Chosen((experiment_id,)), "x" * 20_001)


def test_an_experiment_says_whose_it_is_and_what_it_comes_from(store: Store, tmp_path: Path) -> None:
    origin = Origin("duplicated", "e1", "pantry")
    store.add_experiment(experiment(tmp_path), owner="edith@example.org", origin=origin)
    (row,) = overview.read(store).experiments.to_dict("records")
    assert (row["owner"], origin_of(row["origin"])) == ("edith@example.org", origin)
    assert overview.read(store).runs["owner"].tolist() == ["edith@example.org"] * 2


def test_the_known_tags_are_those_of_what_is_not_in_the_bin(store: Store, added: tuple[str, list[str]]) -> None:
    experiment_id, (first, _) = added
    labels.change_tags(store, Chosen((experiment_id,)), ["paper"])
    labels.change_tags(store, Chosen(runs=(first,)), ["Odd", "paper"])
    assert labels.known_tags(store) == ["Odd", "paper"]
    wastebin.put(store, Chosen(runs=(first,)))
    assert labels.known_tags(store) == ["paper"]


def test_the_log_gives_the_latest_first_and_what_happened_to_one_thing(store: Store) -> None:
    bread, tea = Thing("experiment", "e1", "bread"), Thing("task", "t1", "tea")
    changes.record(store, "edith@example.org", "renamed", [bread, tea])
    changes.record(store, "", "deleted", [tea])
    assert [(each.visitor, each.action, each.thing) for each in changes.history(store)] == [
        ("", "deleted", tea), ("edith@example.org", "renamed", tea), ("edith@example.org", "renamed", bread),
    ]  # fmt: skip
    assert [each.thing for each in changes.history(store, about=["e1"])] == [bread]
    assert len(changes.history(store, limit=2)) == 2


def test_the_log_does_not_grow_for_ever(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "MOST_CHANGES", 3)
    for number in range(5):
        changes.record(store, "", "deleted", [Thing("task", str(number), "")])
    assert [each.thing.about for each in changes.history(store)] == ["4", "3", "2"]


def test_names_say_what_a_run_is_of_unless_somebody_named_it(store: Store, added: tuple[str, list[str]]) -> None:
    experiment_id, (first, second) = added
    labels.set_title(store, first, "the baseline")
    assert [each.name for each in labels.named(store, Chosen((experiment_id,), (first, second)))] == [
        "kitchen", "the baseline", "replay (replay_weight=0.5), seed 0, of kitchen",
    ]  # fmt: skip
