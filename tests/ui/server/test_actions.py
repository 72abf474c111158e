"""Every change goes through `ui/server/actions.py`, and none of them is made for a reader."""

import ast
import inspect
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import MagicMock

import pytest

from engine.common.errors import AccessError, StoreError
from engine.driving import thinning
from engine.experiments.origin import Origin
from engine.guards.guard import Guard
from engine.guards.guard_sets import GuardSets
from engine.housekeeping import Chosen, changes, labels, wastebin
from engine.insight import harness_evaluations
from engine.insight.prompt_sets import PromptSets
from engine.insight.requests import AnswersRequest, Source
from engine.running import continuing
from engine.store import Store
from engine.tasks.documents import Document, Task
from engine.tasks.library import Library
from tests.fake_runs import experiment
from ui.server import access, actions, entrance, session
from ui.server.access import Role, Visitor

ROOT = Path(__file__).parents[3]
UNLOGGED = {"keep_draft", "forget_draft"}
"""What a visitor enters, kept for that visitor with every field: not logged, and nothing is kept of a reader's."""
ACTIONS = {
    name: function
    for name, function in vars(actions).items()
    if inspect.isfunction(function) and function.__module__ == "ui.server.actions" and not name.startswith("_")
    if name not in UNLOGGED
}
# What changes something, of the store, the runner, the library and what runs have in common.
CHANGES = {
    "add", "add_experiment", "ask", "clear", "delete", "delete_experiment", "forget", "keep", "move", "note", "rename",
    "request", "requeue", "resume", "set_pause", "set_status", "stop",
}  # fmt: skip
CHANGES |= {
    "change_tags",
    "empty",
    "move_in_queue",
    "put",
    "run_next",
    "record",
    "restore",
    "set_archived",
    "set_notes",
    "set_title",
}
CHANGING = {"keep_file", "delete_file", "start_continuation"}
"""Functions that change something of the store that they are given."""
SOURCES = {
    "store",
    "runner",
    "library",
    "shared",
    "kept",
    "desk",
    "prompt_sets",
    "guard_sets",
    "kept_results",
    "results",
    "changes",
    "labels",
    "wastebin",
}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> MagicMock:
    """Stands in for the store, the runner and the library."""
    everything = MagicMock()
    for name in ("store", "runner", "library", "desk", "prompt_sets", "guard_sets", "kept_results"):
        monkeypatch.setattr(session, name, getattr(everything, name))
    return everything


@pytest.mark.parametrize("role", [Role.SEE, Role.NOTHING])
@pytest.mark.parametrize("name", sorted(ACTIONS))
def test_no_action_is_done_for_those_who_may_not_change_things(
    asked: MagicMock, monkeypatch: pytest.MonkeyPatch, name: str, role: Role
) -> None:
    monkeypatch.setattr(entrance, "_visitor", lambda: Visitor("ray@example.org", role))
    given = [MagicMock() for _ in inspect.signature(ACTIONS[name]).parameters]
    with pytest.raises(AccessError, match="change nothing"):
        ACTIONS[name](*given)
    assert asked.mock_calls == []
    assert [mock.mock_calls for mock in given] == [[] for _ in given]


def test_nothing_is_kept_of_what_a_reader_enters(asked: MagicMock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entrance, "_visitor", lambda: Visitor("ray@example.org", Role.SEE))
    assert actions.keep_draft("experiment", {"name": "kitchen"}) is None
    actions.forget_draft("experiment")
    assert asked.mock_calls == []


def test_every_action_is_done_and_logged_for_an_editor(asked: MagicMock, monkeypatch: pytest.MonkeyPatch) -> None:
    logged, deleted = list[str](), list[object]()
    monkeypatch.setattr(entrance, "_visitor", lambda: Visitor("edith@example.org", Role.CHANGE))
    monkeypatch.setattr(entrance, "LOG", SimpleNamespace(info=lambda text, *given: logged.append(text % given)))
    asked.store().add_experiment.return_value = "e1"
    asked.library().add.return_value.task_id = "t1"
    shared = MagicMock()
    actions.start(MagicMock())
    actions.pause("r1")
    actions.resume("r1")
    actions.stop("r1")
    actions.add_task(MagicMock(), ["a file"])
    actions.move_task("t1", 0)
    actions.rename_task("t1", "another name")
    actions.delete_task("t1", keep_files=True)
    actions.forget_shared(shared)
    request = AnswersRequest((), ())
    asked.prompt_sets().note.return_value = "k1"
    asked.prompt_sets().keep.return_value.set_id = "s1"
    asked.guard_sets().keep.return_value.set_id = "g1"
    actions.ask(request)
    actions.stop_asking(request)
    actions.note_prompts(["Bread and"])
    actions.keep_prompts("a name", ["Bread and"])
    actions.delete_prompts("s1")
    actions.keep_guards("a name", [MagicMock()])
    actions.rename_guards("g1", "another name")
    actions.delete_guards("g1")
    actions.clear_kept_results()
    kept = MagicMock(kept_id="h1")
    monkeypatch.setattr(harness_evaluations, "keep_file", lambda *given: kept)
    monkeypatch.setattr(harness_evaluations, "delete_file", lambda store, *given: deleted.append(given))
    assert actions.keep_harness(Source("r1", 2), "results.json", b"{}") is kept
    actions.delete_harness("r1", "h1")
    assert deleted == [("r1", "h1")]
    did_to = MagicMock()
    for module, names in ((labels, ("set_title", "change_tags", "set_notes", "set_archived")),
                          (wastebin, ("put", "restore", "empty"))):  # fmt: skip
        for each in names:
            monkeypatch.setattr(module, each, getattr(did_to, each))
    monkeypatch.setattr(labels, "named", lambda store, chosen: [])
    chosen = Chosen(("e1",), ("r1",))
    did_to.empty.return_value = ([], 7)
    monkeypatch.setattr(continuing, "start_continuation", lambda store, earlier, described, owner: "e2")
    assert actions.continue_experiment("e1", MagicMock()) == "e2"
    actions.run_next("r1")
    actions.move_in_queue("r1", -2)
    monkeypatch.setattr(thinning, "thin", lambda store, run_ids, keep: 7)
    assert actions.keep_checkpoints(["r1"], "last") == 7
    actions.rename_experiment("e1", "another name")
    actions.name_run("r1", "the baseline")
    actions.change_tags(chosen, ["new"], ["old"])
    actions.set_notes(chosen, "Looks odd.")
    actions.archive(chosen)
    actions.unarchive(chosen)
    actions.move_to_bin(chosen)
    actions.restore(chosen)
    assert actions.empty_bin() == 7
    assert [call[0] for call in did_to.mock_calls] == [
        "set_title", "change_tags", "set_notes", "set_archived", "set_archived", "put", "restore", "empty",
    ]  # fmt: skip
    did = (
        "started experiment e1", "paused run r1", "resumed run r1", "stopped run r1", "added task t1", "moved task t1",
        "renamed task t1", "deleted task t1", "deleted what runs have in common",
        "asked models (AnswersRequest)", "stopped what was asked (AnswersRequest)", "asked prompts k1",
        "kept prompts s1", "deleted prompts s1",
        "kept guards g1", "renamed guards g1", "deleted guards g1", "deleted kept scores and answers",
        "kept results of lm-evaluation-harness h1 with run r1", "deleted results of lm-evaluation-harness h1 of run r1",
        "continued experiment e1 as e2",
        "put run r1 before all others in the queue", "moved run r1 by -2 in the queue",
        "kept checkpoints 'last' of runs ['r1'], which freed 7 bytes", "renamed experiment e1", "named run r1",
        f"tagged {chosen}", f"wrote notes of {chosen}", f"archived {chosen}",
        f"took {chosen} out of the archive", f"moved {chosen} to the bin", f"restored {chosen}",
        "emptied the bin, which freed 7 bytes",
    )  # fmt: skip
    assert logged == [f"edith@example.org {words}" for words in did]
    assert len(did) == len(ACTIONS)
    asked.runner().request.assert_any_call("r1", "stop")
    asked.library().delete.assert_called_once_with("t1", keep_files=True)
    shared.clear.assert_called_once_with()
    asked.desk().ask.assert_called_once_with(request)
    asked.kept_results().clear.assert_called_once_with()


def test_what_is_deleted_and_renamed_is_kept_in_the_log_with_the_name_that_it_had(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, there in (
        ("store", store), ("library", Library(store.folder)), ("guard_sets", GuardSets(store.folder)),
        ("prompt_sets", PromptSets(store.folder)), ("runner", MagicMock()),
    ):  # fmt: skip
        monkeypatch.setattr(session, name, lambda there=there: there)
    monkeypatch.setattr(entrance, "_visitor", lambda: Visitor("edith@example.org", Role.CHANGE))
    monkeypatch.setattr(entrance, "_rules", lambda: access.Rules(log_in=True))
    task = actions.add_task(Task("notes", (Document("a"), Document("b")), (Document("c"),)), ["a file"])
    actions.rename_task(task.task_id, "letters {0}")
    actions.delete_task(task.task_id, keep_files=False)
    guards = actions.keep_guards("manners", [Guard(prompt="Hello", contains="Hi")])
    actions.delete_guards(guards.set_id)
    prompts = actions.keep_prompts("openings", ["Bread and"])
    actions.delete_prompts(prompts.set_id)
    experiment_id = actions.start(experiment(tmp_path), origin=Origin("duplicated", "e0", "pantry"))
    actions.rename_experiment(experiment_id, "larder")
    actions.move_to_bin(Chosen((experiment_id,)))
    actions.restore(Chosen((experiment_id,)))
    actions.move_to_bin(Chosen((experiment_id,)))
    assert [each.visitor for each in wastebin.contents(store)] == ["edith@example.org"]
    actions.empty_bin()
    found = changes.history(store)[::-1]
    assert {change.visitor for change in found} == {"edith@example.org"}
    assert [(change.action, change.thing.kind, change.thing.name) for change in found] == [
        ("renamed to “letters {0}”", "task", "notes"), ("deleted", "task", "letters {0}"),
        ("deleted", "guards", "manners"), ("deleted", "prompts", "openings"),
        ("renamed to “larder”", "experiment", "kitchen"), ("moved to the bin", "experiment", "larder"),
        ("restored", "experiment", "larder"), ("moved to the bin", "experiment", "larder"),
        ("deleted for good", "experiment", "larder"),
    ]  # fmt: skip


def test_what_was_refused_is_not_in_the_log(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "store", lambda: store)
    monkeypatch.setattr(entrance, "_visitor", lambda: Visitor("somebody", Role.CHANGE))
    experiment_id = store.add_experiment(experiment(tmp_path))
    store.claim_next()
    with pytest.raises(StoreError, match="Still running"):
        actions.move_to_bin(Chosen((experiment_id,)))
    assert changes.history(store) == []


def changing_calls(path: Path) -> list[str]:
    """Calls, or mentions, of what changes something in one file."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute) and node.attr in CHANGES:
            source = node.value.func if isinstance(node.value, ast.Call) else node.value
            name = source.attr if isinstance(source, ast.Attribute) else getattr(source, "id", "")
            if name in SOURCES:
                found.append(f"{path.relative_to(ROOT)}:{node.lineno} {name}.{node.attr}")
        if isinstance(node, ast.Name) and node.id in CHANGING:
            found.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.id}")
    return found


def test_nothing_but_the_actions_changes_what_the_server_has() -> None:
    files = [*(ROOT / "pages").glob("*.py"), *(ROOT / "ui").rglob("*.py")]
    by_file = {path.relative_to(ROOT).as_posix(): changing_calls(path) for path in files}
    assert len(by_file.pop("ui/server/actions.py")) >= len(ACTIONS)
    assert [found for each in by_file.values() for found in each] == []


def test_without_a_log_in_somebody_may_do_everything(asked: MagicMock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entrance, "_rules", access.Rules)
    actions.stop("r1")
    asked.runner().request.assert_called_once_with("r1", "stop")
