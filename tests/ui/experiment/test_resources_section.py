"""What runs compute with, on the Experiment page: entered, saved, loaded, and refused in its place."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from streamlit.testing.v1 import AppTest

from engine.experiments.resources import Resources
from engine.experiments.yaml_file import to_yaml
from engine.forecast.machine_speed import Speed
from engine.store import Store
from engine.tasks import Document, Task
from engine.tasks.library import Library
from tests.fake_runs import experiment
from tests.pages.test_experiment_page import APP, PAGE, errors, field, page, saved, with_tasks
from ui.experiment.resources_section import LABEL
from ui.outlook import outlook, preview_data
from ui.server import session


@pytest.fixture
def measured() -> list[int | None]:
    """The CPUs that the speed was asked for with."""
    return []


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, measured: list[int | None]) -> Iterator[Store]:
    monkeypatch.setenv("PALIMPSEST_DATA", str(tmp_path))
    made = Store(tmp_path)
    monkeypatch.setattr(session, "store", lambda: made)
    monkeypatch.setattr(session, "runner", lambda: SimpleNamespace(watching=None, trouble=""))

    def speed(model: str, training: object, cpus: int | None) -> Speed:
        measured.append(cpus)
        return Speed(1000.0, 500.0, 2_600_000, 1_000_000, "cpu", 4096)

    monkeypatch.setattr(preview_data, "measure_speed", speed)
    monkeypatch.setattr(outlook, "AT_ONCE_SECONDS", 60.0)
    library = Library(tmp_path)
    for name in ("bread", "tea"):
        library.add(Task(name, tuple(Document(f"Note {n} of {name}.") for n in range(8)), (Document("Held out."),)))
    yield made
    made.close()


def test_nothing_is_asked_for_as_long_as_nothing_is_set() -> None:
    app = with_tasks("bread", "tea")
    assert errors(app) == []
    assert saved(app).resources == Resources()
    assert "resources" not in app.code[1].value
    assert field(app.number_input, "resources_cpus").placeholder == "the machine's own choice"


def test_what_is_entered_is_saved_and_loaded_and_said_where_the_section_is_folded(measured: list[int | None]) -> None:
    app = with_tasks("bread", "tea")
    field(app.number_input, "resources_cpus").set_value(2)
    field(app.number_input, "resources_gpus").set_value(0.5)
    field(app.toggle, "resources_like_nodes").set_value(False).run()
    wanted = Resources(cpus=2, gpus=0.5, like_nodes=False)
    assert errors(app) == []
    assert saved(app).resources == wanted
    assert measured[-1] == 2, "the estimate measures with as many threads"
    reloaded = AppTest.from_file(APP, default_timeout=300).run().switch_page(PAGE).run()
    (folded,) = [each.label.replace("\\", "") for each in reloaded.expander if each.label.startswith(LABEL)]
    assert "CPUs per run: 2 · GPUs per run: 0.5 · Only like machines: no" in folded
    text = app.code[1].value
    app.button(key="experiment_clear").click().run()
    assert field(app.number_input, "resources_cpus").value is None
    app.file_uploader[0].upload("saved.yaml", text.encode(), "application/yaml").run()
    assert errors(app) == []
    assert saved(app).resources == wanted
    assert field(app.number_input, "resources_gpus").value == 0.5
    assert field(app.toggle, "resources_like_nodes").value is False


def test_one_gpu_and_a_half_is_refused_in_its_place_and_at_the_start() -> None:
    app = with_tasks("bread", "tea")
    field(app.number_input, "resources_gpus").set_value(1.5).run()
    here, in_the_summary = errors(app)
    assert here == "GPUs per run: a run takes a part of one GPU, such as 0.5, or a whole number of them."
    assert "[GPUs per run: a run takes a part of one GPU" in in_the_summary
    assert app.button(key="experiment_start").disabled
    field(app.number_input, "resources_gpus").set_value(2.0).run()
    assert errors(app) == []


def test_an_experiment_in_the_address_brings_its_own(store: Store, tmp_path: Path) -> None:
    made = experiment(tmp_path, resources={"cpus": 3})
    app = page(experiment=store.add_experiment(made))
    assert saved(app).resources == made.resources
    assert "resources:" in to_yaml(saved(app))
