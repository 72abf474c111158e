"""The library keeps tasks in the user's order, across restarts and beside other servers."""

import errno
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from engine.common.errors import StoreError, TaskError
from engine.experiments.experiment import Experiment, StrategySpec
from engine.experiments.yaml_file import parse_experiment, to_yaml
from engine.tasks import Document, Task, load_task, open_task
from engine.tasks.documents import TaskReading, Turn
from engine.tasks.files.encodings import clean
from engine.tasks.library import Library


def task(name: str, *texts: str) -> Task:
    first, *rest = texts or ("one", "two")
    return Task(name, tuple(map(Document, rest)), (Document(first),))


def names(library: Library) -> list[str]:
    return [kept.name for kept in library.tasks()]


def test_tasks_are_found_again_in_the_users_order(tmp_path: Path) -> None:
    library = Library(tmp_path)
    kept = [library.add(task(name)) for name in ("a", "b", "c")]
    library.move(kept[2].task_id, 0)
    library.move(kept[0].task_id, 2)
    assert names(Library(tmp_path)) == ["c", "b", "a"]


def test_a_kept_task_loads_as_it_was(tmp_path: Path) -> None:
    reading = TaskReading("pairs", ("q", "a"), ("id",), ("1 row was left out.",))
    pairs = Task("p", (Document(" yes\n", "really?\n"), Document("no", "")), (Document("maybe", "so?"),), reading)
    kept = Library(tmp_path).add(pairs, ["a.csv"])
    assert load_task(kept.spec()) == pairs
    assert open_task(kept.spec()).reading == reading
    assert Library(tmp_path).get(kept.task_id) == kept
    assert (kept.documents, kept.held_out_documents, kept.is_pairs) == (2, 1, True)


def test_kept_conversations_load_as_they_were_with_how_they_are_rendered(tmp_path: Path) -> None:
    turns = (Turn("system", "Be kind."), Turn("user", "a"), Turn("assistant", "", '{"tool_calls": [{"n": 1}]}'),
             Turn("tool", "3"), Turn("assistant", "c", given=True), Turn("user", "d"),
             Turn("assistant", "b"))  # fmt: skip
    one = Document.conversation(turns)
    chat = Task("c", (one, Document("yes", "really?")), (Document.conversation(turns[1:]),))
    kept = Library(tmp_path).add(chat, ["a.jsonl"], {"template": "plain", "learn": "all"})
    spec = kept.spec()
    assert (spec.messages_column, spec.template, spec.learn) == ("messages", "plain", "all")
    for task in (load_task(spec), open_task(spec)):
        asked = Document.conversation((Turn("user", "really?"), Turn("assistant", "yes")))
        assert (tuple(task.train), tuple(task.held_out)) == ((one, asked), chat.held_out)
        assert task.reading.kind == "chat"


def test_a_task_scored_on_its_training_text_is_kept_so(tmp_path: Path) -> None:
    reading = TaskReading(scored_on_training=True, remarks=("Nothing is held out.",))
    kept = Library(tmp_path).add(Task("one", (Document("a"),), (Document("a"),), reading))
    assert kept.spec().held_out == "train"
    assert load_task(kept.spec()).held_out == (Document("a"),)


_TEXTS = some.lists(some.text(min_size=1), min_size=2, max_size=8, unique_by=lambda t: " ".join(t.split()))


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(_TEXTS)
def test_any_text_survives_being_kept(tmp_path: Path, texts: list[str]) -> None:
    cleaned = [clean(t) for t in texts if t.strip()]
    if len(cleaned) < 2 or len({" ".join(t.split()) for t in cleaned}) < len(cleaned):
        return
    library = Library(tmp_path)
    kept = library.add(task("t", *cleaned))
    assert load_task(kept.spec()) == task("t", *cleaned)
    library.delete(kept.task_id, keep_files=False)


def test_the_specification_survives_yaml(tmp_path: Path) -> None:
    kept = Library(tmp_path).add(task("a", "one", "two", "three"))
    experiment = Experiment(name="e", tasks=(kept.spec(),), strategies=(StrategySpec(name="naive"),))
    spec = parse_experiment(to_yaml(experiment)).tasks[0]
    assert load_task(spec) == load_task(kept.spec())


def test_names_are_kept_unique_and_fit(tmp_path: Path) -> None:
    library = Library(tmp_path)
    first = library.add(task("Support"))
    other = library.add(task("other"))
    with pytest.raises(TaskError, match="There is already a task named 'support'; choose another name"):
        library.add(task(" support "))
    with pytest.raises(TaskError, match="1 to 80 characters"):
        library.rename(other.task_id, "   ")
    assert library.rename(first.task_id, "SUPPORT").name == "SUPPORT"
    assert names(library) == ["SUPPORT", "other"]


def test_a_deleted_task_is_only_hidden_while_experiments_name_it(tmp_path: Path) -> None:
    library = Library(tmp_path)
    used, unused = library.add(task("used")), library.add(task("unused"))
    library.delete(used.task_id)
    library.delete(unused.task_id, keep_files=False)
    assert names(library) == []
    assert load_task(used.spec()).train
    assert not unused.folder.exists()
    assert library.add(task("used")).name == "used"
    with pytest.raises(TaskError, match=r"no task .* any more"):
        library.get(unused.task_id)


@pytest.mark.parametrize("bad", ["../elsewhere", "", "a/b", "nothing"])
def test_an_unknown_id_is_refused(tmp_path: Path, bad: str) -> None:
    with pytest.raises(TaskError):
        Library(tmp_path).get(bad)


def test_two_servers_that_add_and_move_at_once_lose_nothing(tmp_path: Path) -> None:
    def work(prefix: str) -> None:
        library = Library(tmp_path)
        for i in range(8):
            kept = library.add(task(f"{prefix}{i}"))
            library.move(kept.task_id, 0)

    threads = [threading.Thread(target=work, args=(prefix,)) for prefix in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(names(Library(tmp_path))) == sorted(f"{p}{i}" for p in "ab" for i in range(8))


def test_foreign_and_damaged_folders_are_passed_over(tmp_path: Path) -> None:
    library = Library(tmp_path)
    library.add(task("good"))
    (library.folder / "foreign").mkdir()
    (library.folder / "damaged").mkdir()
    (library.folder / "damaged" / "task.json").write_text("{")
    (library.folder / "order.json").write_text("not json")
    assert names(library) == ["good"]


def test_what_the_disk_refuses_is_said_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = Library(tmp_path)
    kept = library.add(task("kept"))
    before = sorted(path for path in library.folder.rglob("*") if path.name != ".lock")

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("engine.tasks.library._write_facts", refuse)
    for change in (lambda: library.add(task("new")), lambda: library.rename(kept.task_id, "other")):
        with pytest.raises(StoreError, match="the disk is full; free some space"):
            change()
    assert sorted(path for path in library.folder.rglob("*") if path.name != ".lock") == before
    assert names(library) == ["kept"]


def test_a_library_whose_folder_is_gone_says_so(tmp_path: Path) -> None:
    library = Library(tmp_path)
    library.folder.rmdir()
    with pytest.raises(StoreError, match="can't be read"):
        library.tasks()


def test_what_no_experiment_could_name_is_refused_before_it_is_kept(tmp_path: Path) -> None:
    library = Library(tmp_path)
    pairs = Task("p", (Document("yes", "really?"),), (Document("no", "so?"),))
    with pytest.raises(TaskError, match=r"^The task can't be kept as it is: .*separator"):
        library.add(pairs, rendering={"separator": "-" * 101})
    with pytest.raises(TaskError, match=r"^The task can't be kept as it is: .*template"):
        library.add(pairs, rendering={"template": "none"})
    assert library.tasks() == ()
    assert library.add(pairs, rendering={"separator": "-" * 100}).spec().separator == "-" * 100
