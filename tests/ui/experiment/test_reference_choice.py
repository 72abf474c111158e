"""The reference text on the Experiment page: chosen among the tasks of the library, kept by files, asked for."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from engine import strategies
from engine.experiments.experiment import Experiment
from engine.experiments.yaml_file import parse_experiment, to_yaml
from engine.forecast.machine_speed import Speed
from engine.store import Store
from engine.tasks import Document, Task
from engine.tasks.library import Library
from engine.tasks.texts_beside import ReferenceSpec
from tests.pages.test_experiment_page import errors, field, page, started
from ui.drafts.draft import ExperimentDraft, draft_of
from ui.experiment.words import REFERENCE as LABEL
from ui.outlook import outlook, preview_data
from ui.server import entrance, session

KL = f"card{strategies.offered().index('kl') + 1}"


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setenv("PALIMPSEST_DATA", str(tmp_path))
    made = Store(tmp_path)
    monkeypatch.setattr(session, "store", lambda: made)
    speed = Speed(1000.0, 500.0, 2_600_000, 1_000_000, "cpu", 4096)
    monkeypatch.setattr(preview_data, "measure_speed", lambda model, training, cpus: speed)
    monkeypatch.setattr(outlook, "AT_ONCE_SECONDS", 60.0)
    yield made
    made.close()


@pytest.fixture(autouse=True)
def library(tmp_path: Path) -> Library:
    library = Library(tmp_path)
    for name in ("bread", "tea", "general"):
        train = tuple(Document(f"Note {n} about {name}.") for n in range(8))
        library.add(Task(name, train, (Document(f"Held out about {name}."),)))
    return library


def page_on_a_file() -> AppTest:
    """The page with two tasks, naive and kl on a file, and no reference text chosen."""
    app = page("more_strategies")
    app.multiselect[0].set_value(["bread", "tea"])
    for toggle in app.toggle:
        if toggle.key and toggle.key.endswith("_on"):
            toggle.set_value(toggle.label in ("**KL to a teacher**", "**Naive fine-tuning**"))
    app.run()
    return field(app.selectbox, f"{KL}_reference_text").set_value("file").run()  # type: ignore[no-any-return]


def choice(app: AppTest) -> Any:
    """The first field for the reference text."""
    return next(box for box in app.selectbox if box.label == LABEL)


def saved(app: AppTest) -> Experiment:
    return parse_experiment(app.code[1].value)


def test_the_page_asks_for_the_text_and_takes_one_of_the_librarys(library: Library) -> None:
    app = page_on_a_file()
    (asked,) = errors(app)
    assert "Choose the text of your own in the form of KL to a teacher" in asked
    assert app.button(key="experiment_start").disabled
    assert choice(app).options == ["bread", "tea", "general"]
    choice(app).set_value("general").run()
    assert errors(app) == []
    reference = saved(app).reference
    assert reference is not None
    assert (reference.name, reference.text_column) == ("general", "text")
    assert "This text is also a task" not in " ".join(caption.value for caption in app.caption)
    choice(app).set_value("tea").run()
    assert "This text is also a task" in " ".join(caption.value for caption in app.caption)


def test_a_field_for_the_text_is_there_where_a_strategy_reads_it_alone() -> None:
    app = page_on_a_file()
    choice(app).set_value("general").run()
    field(app.selectbox, f"{KL}_reference_text").set_value("new").run()
    assert not [box for box in app.selectbox if box.label == LABEL]
    assert saved(app).reference is None
    field(app.toggle, f"{KL}_several").set_value(True).run()
    field(app.multiselect, f"{KL}_reference_text_list").set_value(["new", "file"]).run()
    assert choice(app).value == "general"
    assert saved(app).reference is not None


def test_all_cards_show_the_one_text_of_the_experiment() -> None:
    app = page_on_a_file()
    field(app.button, f"{KL}_copy").click().run()
    fields = [box for box in app.selectbox if box.label == LABEL]
    assert [box.value for box in fields] == [None, None]
    fields[1].set_value("general").run()
    assert [box.value for box in app.selectbox if box.label == LABEL] == ["general", "general"]


def test_what_is_saved_is_read_again_with_the_text_of_the_library(library: Library) -> None:
    app = page_on_a_file()
    choice(app).set_value("general").run()
    app.file_uploader[0].upload("saved.yaml", app.code[1].value.encode(), "application/yaml").run()
    assert errors(app) == []
    assert choice(app).value == "general"
    assert choice(app).options == ["bread", "tea", "general"]


def test_a_text_that_came_with_a_file_stays_one_of_the_choices(tmp_path: Path) -> None:
    own = tmp_path / "own.txt"
    own.write_text("One line.\n\nAnother one.", encoding="utf-8")
    app = page_on_a_file()
    choice(app).set_value("general").run()
    text = to_yaml(saved(app).model_copy(update={"reference": ReferenceSpec(train=(str(own),))}))
    app.file_uploader[0].upload("saved.yaml", text.encode(), "application/yaml").run()
    assert errors(app) == []
    assert choice(app).options == ["bread", "tea", "general", "reference (from the loaded file)"]
    reference = saved(app).reference
    assert reference is not None
    assert choice(app).value == "reference"


def test_a_file_of_the_server_is_nobodys_reference_text_on_a_shared_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = page_on_a_file()
    choice(app).set_value("general").run()
    secret = tmp_path / "secret.txt"
    secret.write_text("secret", encoding="utf-8")
    text = to_yaml(saved(app).model_copy(update={"reference": ReferenceSpec(train=(str(secret),))}))
    monkeypatch.setattr(entrance, "is_private", lambda: False)
    monkeypatch.setenv("PALIMPSEST_OPEN_TO_ALL", "1")
    app.file_uploader[0].upload("saved.yaml", text.encode(), "application/yaml").run()
    assert any("reference names files of the server that are not in its library" in each for each in errors(app))


def test_a_text_that_left_the_library_is_named_and_asked_for_again(library: Library) -> None:
    app = page_on_a_file()
    choice(app).set_value("general").run()
    (task,) = [task for task in library.tasks() if task.name == "general"]
    library.delete(task.task_id)
    app.run()
    assert "No longer in the library: general" in " ".join(warning.value for warning in app.warning)
    assert any("Choose the text of your own" in each for each in errors(app))


def test_a_start_refuses_a_text_without_a_document_by_its_field(library: Library) -> None:
    app = page_on_a_file()
    choice(app).set_value("general").run()
    (task,) = [task for task in library.tasks() if task.name == "general"]
    (task.folder / "train.jsonl").write_text("", encoding="utf-8")
    app = started(app)
    assert any(each.startswith("reference:") for each in errors(app))


def test_a_draft_of_an_experiment_gives_the_experiment_back(library: Library, tmp_path: Path) -> None:
    known = {task.name: task.spec() for task in library.tasks()}
    for reference in (ReferenceSpec.of(known["general"]), ReferenceSpec(name="own", train=("/texts/own.txt",))):
        data = {"name": "x", "tasks": [known["bread"].model_dump()], "reference": reference.model_dump()}
        experiment = Experiment.model_validate(data | {"strategies": [{"kl": {"reference_text": "file"}}]})
        draft: ExperimentDraft = draft_of(experiment, known)
        assert draft.experiment(known).reference == reference
        assert (draft.file_reference is None) == (reference.name == "general")
