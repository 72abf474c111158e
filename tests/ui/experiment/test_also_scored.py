"""The general text and the guards on the Experiment page: chosen, written, uploaded, kept, and what is started."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from engine.experiments.experiment import Experiment
from engine.experiments.yaml_file import to_yaml
from engine.guards.guard import Guard
from engine.guards.guard_sets import GuardSets
from engine.store import Store
from engine.tasks import Document, Task
from engine.tasks.library import Library
from engine.tasks.texts_beside import GeneralSpec
from tests.pages.test_experiment_page import errors, field, page, saved, started, with_tasks
from tests.timed_store import timed_store
from ui.drafts.draft import NONE, SHIPPED, TASK, ExperimentDraft, draft_of
from ui.drafts.guard_rows import rows_of
from ui.experiment import words
from ui.experiment.guards_section import NO_GUARDS, OWN, SET
from ui.server import entrance

TEA = Guard(prompt="Note 3 of", contains="tea")
HOT = Guard(name="hot", prompt="Hot is not", likelier=" cold", than=(" warm", " *blue*"), answer_tokens=3)
LOSS = Guard(text="We the people\nof the\tUnited States", loss_at_most=2.5)
CHAT = Guard(prompt="Who are you?", chat=True, matches="(?i)assistant", answer_tokens=9)
ALL = (TEA, HOT, LOSS, CHAT)


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    yield from timed_store(tmp_path, monkeypatch)


@pytest.fixture(autouse=True)
def library(tmp_path: Path) -> Library:
    library = Library(tmp_path)
    for name in ("bread", "tea", "letters"):
        train = tuple(Document(f"Note {n} about {name}.") for n in range(8))
        library.add(Task(name, train, (Document(f"Held out about {name}."),)))
    return library


@pytest.fixture
def sets(tmp_path: Path) -> GuardSets:
    return GuardSets(tmp_path)


def choice(app: AppTest, label: str) -> Any:
    (found,) = [box for box in app.selectbox if box.label == label]
    return found


def choose_guards(app: AppTest, wanted: tuple[str, str]) -> AppTest:
    return choice(app, words.GUARDS).set_value(wanted).run()  # type: ignore[no-any-return]


def choose_general(app: AppTest, wanted: tuple[str, str]) -> AppTest:
    return choice(app, words.GENERAL).set_value(wanted).run()  # type: ignore[no-any-return]


def draft(app: AppTest) -> ExperimentDraft:
    found: ExperimentDraft = app.session_state["experiment_draft"].draft
    return found


def typed(app: AppTest, *guards: Guard, **cells: Any) -> AppTest:
    """After guards were written into the table; `cells` are those of one more row."""
    rows = rows_of(guards)
    if cells:
        empty = {"name": "", "prompt": "", "kind": "contains", "value": "", "than": [], "chat": False}
        rows.append(empty | {"answer_tokens": None} | cells)
    draft(app).guards.take(rows)
    return app.run()


def tables(app: AppTest) -> list[Any]:
    """Those that can be edited."""
    return list(app.data_editor)


def said(app: AppTest) -> str:
    kinds = (app.caption, app.warning, app.markdown)
    return " ".join(each.value for kind in kinds for each in kind).replace("\\", "").replace("\u2060", "")


def upload(app: AppTest, name: str, content: str) -> AppTest:
    (uploader,) = [each for each in app.file_uploader if each.label == "File of guards"]
    return uploader.upload(name, content.encode(), "text/plain").run()  # type: ignore[no-any-return]


def test_nothing_is_asked_and_the_shipped_text_is_scored_as_long_as_nothing_is_chosen(sets: GuardSets) -> None:
    app = with_tasks("bread", "tea")
    assert errors(app) == []
    assert (choice(app, words.GENERAL).value, choice(app, words.GUARDS).value) == (SHIPPED, NO_GUARDS)
    assert tables(app) == []
    assert (saved(app).general, saved(app).guards) == (GeneralSpec.shipped(), ())


def test_the_general_text_is_none_or_the_training_side_of_a_task_that_is_not_learnt(library: Library) -> None:
    app = choose_general(with_tasks("bread", "tea"), NONE)
    assert saved(app).general is None
    assert "is not measured" in said(app)
    choose_general(app, (TASK, "letters"))
    known = {task.name: task.spec() for task in library.tasks()}
    assert draft(app).experiment(known).general == GeneralSpec.of(known["letters"])
    assert errors(app) == []


def test_a_task_of_the_experiment_is_refused_as_its_general_text() -> None:
    app = choose_general(with_tasks("bread", "tea"), (TASK, "tea"))
    assert "tea is a task of this experiment, and no task may touch the general text" in said(app)
    assert any("The task 'tea' reads a file of the general text" in each for each in errors(app))
    assert app.button(key="experiment_start").disabled
    app.multiselect[0].set_value(["bread"]).run()
    assert errors(app) == []


def test_a_general_text_that_left_the_library_is_named_and_asked_for_again(library: Library) -> None:
    app = choose_general(with_tasks("bread", "tea"), (TASK, "letters"))
    (task,) = [task for task in library.tasks() if task.name == "letters"]
    library.delete(task.task_id)
    app.run()
    assert "No longer in the library: letters" in said(app)
    assert any("'letters' is no longer in the library; choose another" in each for each in errors(app))
    assert errors(choose_general(app, SHIPPED)) == []


def test_a_chosen_set_is_what_is_started(sets: GuardSets, store: Store) -> None:
    kept = sets.keep("<b>facts</b> :smile:", ALL)
    app = choose_general(choose_guards(with_tasks("bread", "tea"), (SET, kept.set_id)), (TASK, "letters"))
    assert errors(app) == []
    assert choice(app, words.GUARDS).value == (SET, kept.set_id)
    assert "4 guards, checked on the base model and after every stage" in said(app)
    assert len(tables(app)[0].value) == len(ALL)
    app = started(app)
    if any(button.key == "experiment_start_anyway" for button in app.button):
        app.button(key="experiment_start_anyway").click().run()
    (experiment_id,) = store.experiments()["experiment_id"]
    experiment = store.experiment(experiment_id)
    assert experiment.guards == ALL
    assert experiment.general is not None
    assert experiment.general.name == "letters"


def test_a_mistake_in_a_written_guard_is_told_and_nothing_starts_before_it_is_mended() -> None:
    app = choose_guards(with_tasks("bread", "tea"), OWN)
    assert tables(app)[0].value.empty
    typed(app, TEA, prompt="<b>half</b>")
    assert any("Guard 2 ('<b>half</b>'): Value: an empty text" in each.replace("\u2060", "") for each in errors(app))
    assert any("Mend the guards first" in each for each in errors(app))
    assert app.button(key="experiment_start").disabled
    typed(app, TEA, HOT)
    assert errors(app) == []
    assert saved(app).guards == (TEA, HOT)
    assert choice(app, words.GUARDS).value == OWN


def test_own_guards_are_kept_while_others_are_looked_at(sets: GuardSets) -> None:
    kept = sets.keep("facts", [LOSS])
    app = typed(choose_guards(with_tasks("bread", "tea"), OWN), TEA)
    choose_guards(app, (SET, kept.set_id))
    assert saved(app).guards == (LOSS,)
    choose_guards(app, NO_GUARDS)
    assert saved(app).guards == ()
    assert tables(app) == []
    assert saved(choose_guards(app, OWN)).guards == (TEA,)


def test_a_file_replaces_the_table_or_is_refused_with_the_guard_and_the_field() -> None:
    app = typed(choose_guards(with_tasks("bread", "tea"), OWN), TEA)
    upload(app, "g.yaml", "- {prompt: a, contain: b}")
    assert any("g.yaml: guard 1: contain: there is no such field" in each for each in errors(app))
    assert saved(app).guards == (TEA,)
    upload(app, "g.csv", "prompt,contains,likelier,than\na,b,,\nc,, d, e\n")
    assert errors(app) == []
    assert saved(app).guards == (Guard(prompt="a", contains="b"), Guard(prompt="c", likelier=" d", than=(" e",)))


def test_guards_are_kept_renamed_and_deleted_as_a_set(sets: GuardSets) -> None:
    app = typed(choose_guards(with_tasks("bread", "tea"), OWN), *ALL)
    field(app.text_input, "guards_name").set_value(" \n").run()
    app.button(key="experiment_guards_keep").click().run()
    assert any("needs a name of 1 to 80 characters" in each for each in errors(app))
    field(app.text_input, "guards_name").set_value("<i>facts</i>").run()
    app.button(key="experiment_guards_keep").click().run()
    (kept,) = sets.kept().sets
    assert (kept.name, kept.guards) == ("<i>facts</i>", ALL)
    assert choice(app, words.GUARDS).value == (SET, kept.set_id)
    field(app.text_input, f"guards_rename_{kept.set_id}").set_value("facts").run()
    app.button(key="experiment_guards_rename").click().run()
    assert [each.name for each in sets.kept().sets] == ["facts"]
    app.button(key="experiment_guards_delete").click().run()
    assert sets.kept().sets == ()
    assert choice(app, words.GUARDS).value == OWN
    assert saved(app).guards == ALL
    assert errors(app) == []


def test_a_broken_file_of_kept_guards_is_told_and_is_in_nobodys_way(sets: GuardSets) -> None:
    (sets.folder / "<b>.yaml").write_text("- {prompt: a", encoding="utf-8")
    kept = sets.keep("facts", [TEA])
    app = with_tasks("bread", "tea")
    assert "<b>.yaml, line 1: this is not valid YAML" in said(app)
    assert saved(choose_guards(app, (SET, kept.set_id))).guards == (TEA,)


@pytest.mark.parametrize("is_kept", [False, True])
def test_what_a_loaded_file_brings_is_what_is_saved_again(is_kept: bool, sets: GuardSets, tmp_path: Path) -> None:
    own = tmp_path / "own.txt"
    own.write_text("One line.\n\nAnother one.", encoding="utf-8")
    kept = sets.keep("facts", ALL) if is_kept else None
    app = with_tasks("bread", "tea")
    given = saved(app).model_copy(update={"guards": ALL, "general": GeneralSpec(train=(str(own),), split="line")})
    app.file_uploader[0].upload("e.yaml", to_yaml(given).encode(), "application/yaml").run()
    assert errors(app) == []
    assert saved(app).guards == ALL
    assert saved(app).general is not None
    assert choice(app, words.GUARDS).value == ((SET, kept.set_id) if kept else OWN)
    assert "From the loaded file: general" in choice(app, words.GENERAL).options
    app.switch_page("pages/tasks.py").run().switch_page("pages/experiment.py").run()
    assert saved(app).guards == ALL
    app.button(key="experiment_clear").click().run()
    app.multiselect[0].set_value(["bread", "tea"]).run()
    assert (saved(app).general, saved(app).guards) == (GeneralSpec.shipped(), ())


def test_an_experiment_that_the_address_names_brings_its_own(store: Store, library: Library) -> None:
    specs = {task.name: task.spec() for task in library.tasks()}
    data = {"name": "x", "tasks": [specs["bread"]], "strategies": ["naive"], "guards": ALL, "general": "none"}
    experiment_id = store.add_experiment(Experiment.model_validate(data))
    app = page(experiment=experiment_id)
    assert errors(app) == []
    assert (saved(app).general, saved(app).guards) == (None, ALL)
    assert choice(app, words.GENERAL).value == NONE


def test_a_draft_of_an_experiment_gives_its_general_text_and_guards_back(library: Library) -> None:
    known = {task.name: task.spec() for task in library.tasks()}
    own = GeneralSpec(name="own", train=("/texts/own.txt",))
    for general in (None, GeneralSpec.shipped(), GeneralSpec.of(known["letters"]), own):
        data = {"name": "x", "tasks": [known["bread"]], "strategies": ["naive"], "guards": ALL, "general": general}
        made = draft_of(Experiment.model_validate(data), known)
        assert (made.experiment(known).general, made.experiment(known).guards) == (general, ALL)
        assert (made.file_general is None) == (general != own)


def test_a_reader_of_a_shared_server_may_choose_a_set_and_change_none(
    sets: GuardSets, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = sets.keep("facts", [TEA])
    monkeypatch.setattr(entrance, "may_change", lambda: False)
    app = choose_guards(with_tasks("bread", "tea"), (SET, kept.set_id))
    assert saved(app).guards == (TEA,)
    for choice_of in (SET, kept.set_id), OWN:
        choose_guards(app, choice_of)
        changing = [b for b in app.button if (b.key or "").startswith("experiment_guards_")]
        changing += [each for each in app.file_uploader if each.label == "File of guards"]
        assert [each.disabled for each in changing] == [True] * (2 if choice_of == OWN else 3)


def test_a_start_asks_about_what_was_found_in_the_general_text(tmp_path: Path) -> None:
    own = tmp_path / "own.csv"
    own.write_text("text,other\n" + "".join(f"line {n},x{n}\n" for n in range(9)) + "\n\n", encoding="utf-8")
    app = with_tasks("bread", "tea")
    given = saved(app).model_copy(update={"general": GeneralSpec(train=(str(own),), text_column="text")})
    app.file_uploader[0].upload("e.yaml", to_yaml(given).encode(), "application/yaml").run()
    app = started(app)
    assert "General text 'general':" in said(app)
