import re
import shutil
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from engine import strategies
from engine.experiments.demo import demo_experiment
from engine.experiments.origin import Origin
from engine.experiments.portable import portable
from engine.experiments.presets import PRESETS
from engine.experiments.yaml_file import load_experiment, parse_experiment, to_yaml
from engine.forecast import quick
from engine.forecast.machine_speed import Speed
from engine.store import Store
from engine.strategies import heading_of, needs_of, offered
from engine.tasks import Document, Task
from engine.tasks.documents import TaskReading
from engine.tasks.library import Library
from tests.fake_runs import experiment
from tests.timed_store import timed_store
from ui.drafts.draft import FIRST_ON
from ui.drafts.strategy_words import GROUPS, described
from ui.experiment.strategy_cards import MOST_USED
from ui.experiment.words import edited_run, orders
from ui.outlook import outlook, preview_data
from ui.server import entrance

APP = str(Path(__file__).parents[2] / "app.py")
PAGE = "pages/experiment.py"


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    yield from timed_store(tmp_path, monkeypatch)


@pytest.fixture
def library(tmp_path: Path) -> Library:
    library = Library(tmp_path)
    for name in ("bread", "tea", "salt"):
        train = tuple(Document(f"Note {n} about {name}.") for n in range(8))
        library.add(Task(name, train, (Document(f"Held out about {name}."),)))
    return library


OPENED = ("task_settings", "all_training", "also_scored", "resources", "as_file")


def page(*opened: str, **query: str) -> AppTest:
    """The page with all of its form open, the experiment as a file, and what else is `opened`."""
    app = AppTest.from_file(APP, default_timeout=300).run()
    app.query_params |= query
    forms = [f"card{number}_settings" for number in range(1, len(strategies.offered()) + 3)]
    for version in range(1, 5):  # of the draft: its widgets are made anew as another one takes its place
        for name in (*OPENED, *forms, *opened):
            app.session_state[f"experiment_{version}_{name}"] = True
    return app.switch_page(PAGE).run()


def with_tasks(*names: str, on: Sequence[str] = (), opened: Sequence[str] = ()) -> AppTest:
    """The page with these tasks chosen, and these strategies on beside the first ones."""
    app = page(*opened)
    app.multiselect[0].set_value(list(names))
    for strategy in on:
        field(app.toggle, f"{card(strategy)}_on").set_value(True)
    return app.run()


def field(elements: Any, ending: str) -> Any:
    (found,) = [element for element in elements if element.key and element.key.endswith(ending)]
    return found


def card(strategy: str) -> str:
    """The beginning of the keys of a strategy's first card."""
    return f"card{strategies.offered().index(strategy) + 1}"


def started(app: AppTest) -> AppTest:
    """After a click on Start, once everything is read."""
    app.button(key="experiment_start").click().run()
    while any(thread.name == "check" for thread in threading.enumerate()):
        time.sleep(0.1)
    return app.run()


def errors(app: AppTest) -> list[str]:
    assert not app.exception
    return [error.value.replace("\\", "") for error in app.error]


def saved(app: AppTest) -> Any:
    """The experiment as the page would save it."""
    return parse_experiment(app.code[1].value)


@pytest.mark.usefixtures("library")
def test_what_is_saved_names_no_place_of_the_server_and_finds_the_library_s_texts_again(
    library: Library, tmp_path: Path
) -> None:
    app = with_tasks("tea", "bread")
    text = app.code[1].value
    assert str(library.folder) not in text
    path = tmp_path / "saved.yaml"
    path.write_text(text, encoding="utf-8")
    specs = {task.name: task.spec() for task in library.tasks()}
    assert list(load_experiment(path).tasks) == [specs["tea"], specs["bread"]]
    app.file_uploader[0].upload("saved.yaml", text.encode(), "application/yaml").run()
    assert errors(app) == []
    assert app.multiselect[0].value == ["tea", "bread"]
    assert not [markdown.value for markdown in app.markdown if "from the loaded file" in markdown.value]


@pytest.mark.usefixtures("library")
def test_the_experiment_is_offered_with_its_data_once_it_is_whole() -> None:
    app = with_tasks()
    offered = field(app.get("download_button"), "save_with_data")
    assert offered.proto.disabled
    app.multiselect[0].set_value(["tea"]).run()
    assert not field(app.get("download_button"), "save_with_data").proto.disabled


@pytest.mark.usefixtures("library")
def test_the_script_of_a_slurm_array_is_shown_once_the_experiment_is_whole_and_names_no_place_of_the_server(
    library: Library,
) -> None:
    app = with_tasks()
    assert not [code.value for code in app.code if "#SBATCH" in code.value]
    app.multiselect[0].set_value(["tea"]).run()
    (script,) = [code.value for code in app.code if "#SBATCH" in code.value]
    assert "exec python -m engine run tea.yaml --out results/" in script
    assert str(library.folder) not in script


def test_without_tasks_the_page_says_where_to_make_them() -> None:
    app = page()
    assert not app.exception
    assert "no tasks yet" in app.info[0].value
    assert app.button(key="experiment_start").disabled


def test_the_first_visit_has_the_whole_library_chosen_and_is_ready_to_start(library: Library) -> None:
    app = page()
    assert errors(app) == []
    assert app.multiselect[0].value == ["bread", "tea", "salt"]
    assert field(app.radio, "preset").value == "quick"
    assert app.button(key="experiment_start").label == f"Start {len(FIRST_ON)} runs"
    assert not app.button(key="experiment_start").disabled


def test_a_draft_that_nobody_has_changed_follows_the_library(library: Library) -> None:
    app = page()
    library.add(Task("milk", (Document("Note about milk."), Document("More.")), (Document("Held out."),)))
    assert app.run().multiselect[0].value == ["bread", "tea", "salt", "milk"]
    field(app.text_input, "seeds").set_value("3").run()
    library.add(Task("rice", (Document("Note about rice."), Document("More.")), (Document("Held out."),)))
    assert app.run().multiselect[0].value == ["bread", "tea", "salt", "milk"]


def test_with_no_tasks_chosen_the_summary_says_what_is_to_be_mended_and_leads_there(library: Library) -> None:
    app = with_tasks()
    (said,) = [error.value for error in app.error]
    assert "To mend before the start" in said
    assert "(#experiment-tasks)" in said
    assert app.button(key="experiment_start").disabled


@pytest.mark.usefixtures("library")
def test_chosen_tasks_make_an_experiment_ready_to_start() -> None:
    app = with_tasks("tea", "bread")
    assert errors(app) == []
    assert app.button(key="experiment_start").label == f"Start {len(FIRST_ON)} runs"
    assert [task.name for task in saved(app).tasks] == ["tea", "bread"]
    assert saved(app).name == "tea → bread"


@pytest.mark.usefixtures("library")
def test_the_arrows_change_the_order() -> None:
    app = with_tasks("tea", "bread", "salt")
    field(app.button, "task_down0").click().run()
    assert [task.name for task in saved(app).tasks] == ["bread", "tea", "salt"]
    assert app.multiselect[0].value == ["bread", "tea", "salt"]


@pytest.mark.usefixtures("library")
def test_slider_and_exact_entry_move_each_other() -> None:
    app = with_tasks("tea", "bread", on=["ewc"])
    field(app.number_input, f"{card('ewc')}_ewc_strength_entry0").set_value(4.7).run()
    assert field(app.select_slider, f"{card('ewc')}_ewc_strength_slider1").value == 5.0
    assert saved(app).strategies[2].parameters == {"ewc_strength": 4.7}
    field(app.select_slider, f"{card('ewc')}_ewc_strength_slider1").set_value(100.0).run()
    assert field(app.number_input, f"{card('ewc')}_ewc_strength_entry1").value == 100.0
    assert saved(app).strategies[2].parameters == {"ewc_strength": 100.0}


@pytest.mark.usefixtures("library")
def test_a_lambda_of_ewc_stands_instead_of_the_strength_and_not_beside_another() -> None:
    app = with_tasks("tea", "bread", on=["ewc"])
    field(app.number_input, f"{card('ewc')}_ewc_lambda").set_value(47.0).run()
    assert saved(app).strategies[2].parameters == {"ewc_lambda": 47.0}
    assert [run.label for run in saved(app).runs()][2] == "ewc (ewc_lambda=47)"
    field(app.number_input, f"{card('ewc')}_ewc_strength_entry0").set_value(4.7).run()
    assert errors(app)[0].startswith("ewc.ewc_lambda: give ewc_strength or ewc_lambda, not both; leave one out")
    field(app.number_input, f"{card('ewc')}_ewc_strength_entry0").set_value(1.0).run()
    assert saved(app).runs()[2].parameters["ewc_strength"] is None


@pytest.mark.usefixtures("library")
def test_several_values_and_seeds_multiply_the_runs() -> None:
    app = with_tasks("tea", "bread")
    field(app.toggle, f"{card('replay')}_several").set_value(True).run()
    field(app.text_input, f"{card('replay')}_replay_weight_list").set_value("0.5, 1, 2").run()
    field(app.text_input, "seeds").set_value("0, 1").run()
    assert errors(app) == []
    # naive, three times replay, ewc; two seeds.
    assert app.button(key="experiment_start").label == f"Start {2 * (len(FIRST_ON) + 2)} runs"


@pytest.mark.usefixtures("library")
def test_a_wrong_value_gets_one_sentence_at_its_card_and_nothing_is_lost() -> None:
    app = with_tasks("tea", "bread")
    field(app.toggle, f"{card('replay')}_several").set_value(True).run()
    field(app.text_input, f"{card('replay')}_replay_weight_list").set_value("0.5, much").run()
    assert errors(app)[0] == "Replay weight λ: 'much' is not a number."
    assert app.button(key="experiment_start").disabled
    assert field(app.text_input, f"{card('replay')}_replay_weight_list").value == "0.5, much"
    assert app.multiselect[0].value == ["tea", "bread"]


def seeds_note(app: AppTest) -> str:
    assert not app.exception
    return next((each.value for each in app.caption if " seed" in each.value and "establish" in each.value), "")


@pytest.mark.usefixtures("library")
def test_what_the_seeds_can_show_is_said_before_the_start() -> None:
    app = with_tasks("tea", "bread", on=["ewc"])
    assert seeds_note(app) == "One seed can't establish any difference: nothing tells it from chance."
    (note,) = [each for each in app.caption if each.value == seeds_note(app)]
    assert note.help.startswith(
        "To be established among 3 strategies and settings, a difference must be large against its variation from "
        "seed to seed: about 5.7 times with 3 seeds, about 2.3 times with 5 seeds, about 1.2 times with 10 seeds."
    )
    field(app.text_input, "seeds").set_value("0, 1, 2").run()
    assert seeds_note(app) == (
        "With 3 seeds and 3 strategies and settings, only large differences are likely to be established: about 5.7 "
        "times as large as they vary from seed to seed."
    )
    field(app.toggle, f"{card('replay')}_several").set_value(True).run()
    field(app.text_input, f"{card('replay')}_replay_weight_list").set_value("0.5, 1").run()
    assert seeds_note(app).startswith("With 3 seeds and 4 strategies and settings, only large differences")
    field(app.text_input, "seeds").set_value("0, x").run()
    assert seeds_note(app) == ""


@pytest.mark.usefixtures("library")
def test_wrong_seeds_are_named() -> None:
    app = with_tasks("tea", "bread")
    field(app.text_input, "seeds").set_value("0, x").run()
    assert "Seeds: 'x' is not a whole number from 0 to 999999999." in errors(app)


@pytest.mark.usefixtures("library")
def test_what_is_entered_survives_a_change_of_page() -> None:
    app = with_tasks("tea", "bread")
    field(app.text_input, "seeds").set_value("3, 4").run()
    field(app.number_input, "training_epochs").set_value(7).run()
    app.switch_page("pages/start.py").run()
    app.switch_page(PAGE).run()
    assert saved(app).seeds == (3, 4)
    assert saved(app).training.epochs == 7
    assert [task.name for task in saved(app).tasks] == ["tea", "bread"]


@pytest.mark.usefixtures("library")
def test_a_preset_fills_in_the_training_and_a_change_to_it_is_told_and_undone() -> None:
    app = with_tasks("tea", "bread")
    assert saved(app).training == PRESETS["quick"]
    field(app.radio, "preset").set_value("thorough").run()
    assert saved(app).training == PRESETS["thorough"]
    field(app.number_input, "training_epochs").set_value(9).run()
    assert any("Epochs per task" in caption.value and "9" in caption.value for caption in app.caption)
    app.button(key="experiment_preset_again").click().run()
    assert saved(app).training == PRESETS["thorough"]
    assert field(app.number_input, "training_epochs").value == PRESETS["thorough"].epochs


@pytest.mark.usefixtures("library")
def test_a_variant_is_a_second_card_that_must_differ() -> None:
    app = with_tasks("tea", "bread", on=["ewc"])
    field(app.button, f"{card('ewc')}_copy").click().run()
    assert any("same strategy with the same parameters" in error for error in errors(app))
    field(app.number_input, f"card{len(strategies.offered()) + 1}_ewc_strength_entry0").set_value(5.0).run()
    assert errors(app) == []
    assert app.button(key="experiment_start").label == f"Start {len(FIRST_ON) + 2} runs"
    field(app.button, f"card{len(strategies.offered()) + 1}_remove").click().run()
    assert app.button(key="experiment_start").label == f"Start {len(FIRST_ON) + 1} runs"


@pytest.mark.usefixtures("library")
def test_the_summary_and_the_presets_name_what_it_takes_before_the_start() -> None:
    app = with_tasks("tea", "bread", opened=["details"])
    assert errors(app) == []
    numbers = summary(app)
    assert list(numbers) == ["Tasks", "Runs", "Tokens", "Time", "Disk"]
    assert (numbers["Tasks"], numbers["Runs"]) == ("2", str(len(FIRST_ON)))
    assert numbers["Time"].startswith("≈ ")
    assert "…" not in "".join(numbers.values())
    meant = field(app.radio, "preset").proto.captions
    assert f"1 epoch, {numbers['Tokens']} tokens in all, about {numbers['Time'].removeprefix('≈ ')}" == meant[0]
    assert [each.split(",")[0] for each in meant] == ["1 epoch", "3 epochs", "8 epochs"]
    assert list(app.dataframe[0].value["Run"]) == ["Naive", "Replay λ 1", "Joint"]


@pytest.mark.usefixtures("library")
def test_quick_is_limited_where_the_tasks_are_large_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = Speed(2.0, 1.0, 2_600_000, 1_000_000, "cpu", 4096)
    monkeypatch.setattr(preview_data, "measure_speed", lambda model, training, cpus: slow)
    app = with_tasks("salt", "bread")
    assert saved(app).training.held_out_tokens < PRESETS["quick"].held_out_tokens
    assert not [each.value for each in app.caption if "Changed from the preset" in each.value]
    field(app.radio, "preset").set_value("standard").run()
    assert saved(app).training == PRESETS["standard"]
    field(app.radio, "preset").set_value("quick").run()
    assert saved(app).training.held_out_tokens < PRESETS["quick"].held_out_tokens


@pytest.mark.usefixtures("library")
def test_nothing_starts_before_it_is_known_what_quick_means(monkeypatch: pytest.MonkeyPatch) -> None:
    go = threading.Event()
    quick_limits = quick.quick_limits
    monkeypatch.setattr(quick, "quick_limits", lambda *given: go.wait(60) and quick_limits(*given))
    monkeypatch.setattr(outlook, "AT_ONCE_SECONDS", 0.01)
    app = with_tasks("salt", "tea", "bread")
    assert app.button(key="experiment_start").disabled
    assert any("fits into about two minutes" in each.value for each in app.caption)
    field(app.radio, "preset").set_value("standard").run()
    assert not app.button(key="experiment_start").disabled
    go.set()
    monkeypatch.setattr(outlook, "AT_ONCE_SECONDS", 60.0)
    field(app.radio, "preset").set_value("quick").run()
    assert not app.button(key="experiment_start").disabled


@pytest.mark.usefixtures("library")
def test_the_look_ahead_scores_the_base_model_and_compares_the_tasks() -> None:
    app = with_tasks("tea", "bread", opened=["look_ahead"])
    app.button(key="experiment_look_ahead").click().run()
    assert errors(app) == []
    scores, overlap = app.dataframe[0].value, app.dataframe[1].value
    assert scores["Task"].tolist() == ["tea", "bread"]
    assert overlap.loc["tea", "tea"] == pytest.approx(1.0)
    assert "No document stands in two tasks" in app.success[0].value


def test_another_model_is_not_loaded_until_asked_for_and_a_missing_one_is_explained(library: Library) -> None:
    app = page()
    app.multiselect[0].set_value(["tea", "bread"]).run()
    field(app.selectbox, "_model").set_value("another model").run()
    assert any("Name the model" in error for error in errors(app))
    field(app.text_input, "other_model").set_value("/nowhere/to/be/found").run()
    assert errors(app) == []
    app.button(key="experiment_estimate").click().run()
    assert any("/nowhere/to/be/found" in error for error in errors(app))


@pytest.mark.usefixtures("library")
def test_start_queues_the_runs_and_goes_to_the_live_page(store: Store) -> None:
    app = started(with_tasks("tea", "bread"))
    (experiment_id,) = store.experiments()["experiment_id"]
    assert len(store.runs(experiment_id)) == len(FIRST_ON)
    assert store.experiment_origin(experiment_id) is None
    assert app.query_params["experiment"] in (experiment_id, [experiment_id])


def test_a_failed_run_is_edited_and_started_again_alone(store: Store, library: Library) -> None:
    tasks = [task.spec().model_dump() for task in library.tasks()[:2]]
    described = experiment(library.tasks()[0].folder, tasks=tasks, strategies=["naive", {"replay": {"memory_size": 7}}])
    experiment_id = store.add_experiment(described)
    run_id = store.runs(experiment_id)["run_id"].iloc[1]
    store.set_status(run_id, "failed", "The memory ran out.")
    app = page(experiment=experiment_id, run=run_id)
    assert saved(app).strategies[0].name == "replay"
    assert saved(app).strategies[0].parameters["memory_size"] == 7
    assert len(saved(app).runs()) == 1
    assert any("It has trained no stage yet, so that it begins anew" in each.value for each in app.info)
    started(app)
    newest = store.experiments()["experiment_id"].iloc[0]
    origin = store.experiment_origin(newest)
    assert origin == Origin("edited", experiment_id, "kitchen", run_id, changed={})


def test_the_words_about_an_edited_run_name_the_stage_that_it_goes_on_with() -> None:
    assert "has trained stage 1." in edited_run("Naive", 1, 3)
    assert "they are taken over and it goes on with stage 2" in edited_run("Naive", 1, 3)
    assert "stages 1 to 3" in edited_run("Naive", 3, 3)
    assert "has nothing left to train" in edited_run("Naive", 3, 3)


@pytest.mark.usefixtures("library")
def test_what_would_fail_is_not_queued_and_costs_nothing_that_was_entered(store: Store, library: Library) -> None:
    app = with_tasks("tea", "bread")
    field(app.text_input, "_name").input("kitchen").run()
    kept = library.tasks()[1].folder / "train.jsonl"
    text = kept.read_text()
    kept.unlink()
    assert any("there is no such file" in error for error in errors(started(app)))
    field(app.selectbox, "_model").set_value("another model").run()
    field(app.text_input, "other_model").set_value("/nowhere/to/be/found").run()
    assert any("/nowhere/to/be/found" in error for error in errors(started(app)))
    assert store.experiments().empty
    kept.write_text(text)
    assert field(app.text_input, "_name").value == "kitchen"
    field(app.selectbox, "_model").set_value("tiny-gpt2").run()
    started(app)
    assert store.experiments()["name"].tolist() == ["kitchen"]


@pytest.mark.usefixtures("library")
def test_a_learning_rate_far_from_the_usual_is_asked_about(store: Store) -> None:
    app = with_tasks("tea", "bread")
    field(app.number_input, "training_learning_rate").set_value(0.9).run()
    started(app)
    assert any("times the usual" in warning.value.replace("\\", "") for warning in app.warning)
    assert store.experiments().empty
    app.button(key="experiment_start_anyway").click().run()
    assert len(store.experiments()) == 1


def test_what_the_block_cuts_off_a_task_is_asked_about_and_what_its_form_said_is_not(
    store: Store, library: Library
) -> None:
    pairs = tuple(Document(f"It is {n}.", prompt=f"What is {n}? " + "word " * 600) for n in range(8))
    held_out = (Document("It is 9.", prompt="What is 9?"),)
    library.add(Task("sums", pairs, held_out))
    said = "Nothing is held out: every score is measured on the training text itself."
    note = TaskReading(remarks=(said,), scored_on_training=True)
    noted = library.add(Task("proverb", (Document("All is well."),), (Document("All is well."),), note))
    assert noted.notes == note.remarks
    app = started(with_tasks("sums", "proverb"))
    assert [warning.value.replace("\\", "") for warning in app.warning] == [
        "Task 'sums': 8 prompts are longer than the block allows; their beginnings are left out."
    ]
    assert any("Nothing has started yet" in markdown.value for markdown in app.markdown)
    assert store.experiments().empty
    app.button(key="experiment_start_anyway").click().run()
    assert len(store.experiments()) == 1


@pytest.mark.usefixtures("library")
def test_a_refusal_speaks_of_settings_as_the_page_does_and_says_that_nothing_runs(store: Store) -> None:
    app = with_tasks("tea", "bread")
    field(app.number_input, "training_block_size").set_value(4096).run()
    (refused,) = errors(started(app))
    assert refused.startswith("Block size: 4096 is longer than the context")
    assert any("Nothing was started" in markdown.value for markdown in app.markdown)
    assert store.experiments().empty


@pytest.fixture
def own_model(tmp_path: Path) -> Path:
    """A model in a folder of the user's."""
    return Path(shutil.copytree(Path(APP).parent / "models" / "tiny-gpt2", tmp_path / "mine"))


def asked_about(model: Path) -> AppTest:
    """The page with a question that the check of an own model gave rise to."""
    app = with_tasks("tea", "bread")
    field(app.selectbox, "_model").set_value("another model").run()
    field(app.text_input, "other_model").set_value(str(model)).run()
    field(app.number_input, "training_learning_rate").set_value(0.9).run()
    assert started(app).warning
    return app


@pytest.mark.usefixtures("library")
def test_a_click_on_start_reads_again_what_an_earlier_one_has_read(
    store: Store, own_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "ui.experiment.start_check._model_files", lambda name: []
    )  # as of the hub: nothing tells that it changed
    app = asked_about(own_model)
    (own_model / "tokenizer.json").unlink()
    assert any("tokenizer" in error for error in errors(started(app)))
    assert not app.warning
    assert store.experiments().empty


@pytest.mark.usefixtures("library")
def test_a_model_that_changed_after_its_check_is_not_started_with(store: Store, own_model: Path) -> None:
    app = asked_about(own_model)
    (own_model / "config.json").write_text("{}", encoding="utf-8")
    app.button(key="experiment_start_anyway").click().run()
    assert store.experiments().empty
    assert any("changed since they were read" in info.value for info in app.info)


@pytest.mark.usefixtures("library")
def test_an_experiment_in_the_address_is_the_starting_point(store: Store, tmp_path: Path) -> None:
    experiment_id = store.add_experiment(experiment(tmp_path, seeds=[5], name="kitchen"))
    app = page(experiment=experiment_id)
    assert saved(app).seeds == (5,)
    assert saved(app).name == "kitchen"
    assert [spec.name for spec in saved(app).strategies] == ["naive", "replay"]


@pytest.mark.usefixtures("library")
def test_a_duplicate_says_what_it_is_one_of(store: Store, tmp_path: Path) -> None:
    experiment_id = store.add_experiment(experiment(tmp_path, name="kitchen"))
    app = page(experiment=experiment_id)
    field(app.text_input, "_name").input("larder").run()
    started(app)
    (duplicate,) = store.experiments().query("name == 'larder'")["experiment_id"]
    assert store.experiment_origin(duplicate) == Origin("duplicated", experiment_id, "kitchen", changed={})


@pytest.mark.usefixtures("library")
def test_a_saved_file_loads_to_the_same_experiment(tmp_path: Path) -> None:
    lists = {"ewc": {"ewc_lambda": [1.0, 100.0], "accumulation": "online"}}
    wanted = experiment(tmp_path, strategies=["naive", lists, "joint"], seeds=[0, 7])
    app = page()
    app.file_uploader[0].upload("kitchen.yaml", to_yaml(wanted).encode(), "application/yaml").run()
    assert errors(app) == []
    assert saved(app).runs() == wanted.runs()
    assert saved(app).tasks == portable(wanted).experiment.tasks


@pytest.mark.usefixtures("library")
def test_on_a_shared_server_a_file_can_t_name_texts_that_are_not_the_app_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(entrance, "is_private", lambda: False)
    monkeypatch.setenv("PALIMPSEST_OPEN_TO_ALL", "1")
    app = page()
    app.file_uploader[0].upload("kitchen.yaml", to_yaml(experiment(tmp_path)).encode(), "application/yaml").run()
    assert "names files of the server that are not in its library" in errors(app)[0]

    own = to_yaml(demo_experiment().model_copy(update={"name": "the samples"}))
    app = page()
    app.file_uploader[0].upload("samples.yaml", own.encode(), "application/yaml").run()
    assert errors(app) == []
    assert saved(app).name == "the samples"


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"name: [", "line 1"),
        (b"\xff\xfe\x00", "not UTF-8"),
        (b"name: x\ntasks: [{name: a, train: gone.txt}]\nstrategies: [naive]\n", "not on this machine"),
        (b"name: x\ntasks: [{name: a, train: a.txt}]\nstrategies: [magic]\n", "magic"),
    ],
)
def test_a_file_that_does_not_load_is_explained_and_costs_nothing(content: bytes, says: str) -> None:
    app = with_tasks("tea", "bread")
    app.file_uploader[0].upload("mine.yaml", content, "application/yaml").run()
    assert says in errors(app)[0]
    assert [task.name for task in saved(app).tasks] == ["tea", "bread"]


@pytest.mark.usefixtures("library")
def test_every_card_offers_overrides_that_are_empty_until_they_are_set() -> None:
    app = with_tasks("tea", "bread", on=["ewc"])
    rate = field(app.number_input, f"{card('naive')}_learning_rate")
    assert (rate.value, rate.placeholder) == (None, "as in training")
    assert [spec.parameters for spec in saved(app).strategies if spec.name == "naive"] == [{}]
    rate.set_value(1e-4)
    field(app.number_input, f"{card('ewc')}_epochs").set_value(7).run()
    assert errors(app) == []
    assert saved(app).strategies[0].parameters == {"learning_rate": 1e-4}
    assert saved(app).strategies[2].parameters["epochs"] == 7
    assert saved(app).runs()[0].label == "naive (learning_rate=0.0001)"


@pytest.mark.usefixtures("library")
def test_several_values_of_an_override_make_several_runs_and_none_is_one_of_them() -> None:
    app = with_tasks("tea", "bread")
    field(app.toggle, f"{card('naive')}_several").set_value(True).run()
    assert errors(app) == []
    assert saved(app).strategies[0].parameters == {}
    field(app.text_input, f"{card('naive')}_epochs_list").set_value("none, 5").run()
    assert saved(app).strategies[0].parameters == {"epochs": [None, 5]}
    assert [run.label for run in saved(app).runs()][:2] == ["naive", "naive (epochs=5)"]
    text = app.code[1].value
    app.file_uploader[0].upload("saved.yaml", text.encode(), "application/yaml").run()
    assert errors(app) == []
    assert field(app.text_input, f"{card('naive')}_epochs_list").value == "none, 5"


@pytest.mark.usefixtures("library")
def test_a_task_s_own_epochs_and_rate_are_saved_and_loaded_and_go_with_it_through_the_order() -> None:
    app = with_tasks("tea", "bread")
    field(app.number_input, "own_epochs_bread").set_value(9)
    field(app.number_input, "own_learning_rate_tea").set_value(2e-4).run()
    field(app.button, "task_down0").click().run()
    assert errors(app) == []
    wanted = [("bread", {"epochs": 9}), ("tea", {"learning_rate": 2e-4})]
    assert [(task.name, task.overrides.given) for task in saved(app).tasks] == wanted
    text = app.code[1].value
    app.button(key="experiment_clear").click().run()
    assert not app.exception
    app.file_uploader[0].upload("saved.yaml", text.encode(), "application/yaml").run()
    assert errors(app) == []
    assert [(task.name, task.overrides.given) for task in saved(app).tasks] == wanted
    assert field(app.number_input, "own_epochs_bread").value == 9
    assert not [markdown.value for markdown in app.markdown if "from the loaded file" in markdown.value]


@pytest.mark.usefixtures("library")
def test_the_listed_order_and_its_reverse_are_compared() -> None:
    choice = orders("reversed")
    assert choice not in field(with_tasks("tea", "bread").selectbox, "_orders").options, "these are all orders of two"
    app = with_tasks("tea", "bread", "salt")
    assert choice in field(app.selectbox, "_orders").options
    field(app.selectbox, "_orders").set_value("reversed").run()
    assert saved(app).task_orders == (("tea", "bread", "salt"), ("salt", "bread", "tea"))


@pytest.mark.usefixtures("library")
def test_a_strategy_that_does_not_fit_the_model_is_refused_with_the_field_named() -> None:
    app = with_tasks("tea", "bread")
    field(app.text_input, "find").set_value("frozen").run()
    field(app.toggle, f"{card('freeze')}_on").set_value(True).run()
    field(app.number_input, f"{card('freeze')}_frozen_layers_entry0").set_value(40).run()
    app = started(app)
    assert "freeze.frozen_layers: 40 is more than the 4 layers of the model; lower it." in errors(app)


def summary(app: AppTest) -> dict[str, str]:
    """The numbers of the summary by their terms."""
    (listed,) = [each for each in app.get("html") if "<dl" in each.proto.body]
    return dict(re.findall("<dt>(.*?)</dt><dd>(.*?)</dd>", listed.proto.body))


def shown_strategies(app: AppTest) -> list[str]:
    """The titles beside the switches that the page draws, in order."""
    return [toggle.label.strip("*") for toggle in app.toggle if toggle.key.endswith("_on")]


def search(app: AppTest, words: str) -> AppTest:
    field(app.text_input, "find").set_value(words).run()
    assert not app.exception
    return app


def test_the_most_used_strategies_stand_first_and_all_others_under_what_they_need() -> None:
    app = page("more_strategies")
    others = [name for name in offered() if name not in MOST_USED]
    headings = [each.value.removeprefix("##### ") for each in app.markdown if each.value.startswith("##### ")]
    assert headings == [heading_of(group) for group in GROUPS if any(needs_of(name)[0] == group for name in others)]
    wanted = [described(name).title for group in GROUPS for name in others if needs_of(name)[0] == group]
    assert shown_strategies(app) == [described(name).title for name in MOST_USED] + wanted


def test_others_than_the_most_used_are_folded_away_and_what_is_on_among_them_is_told(library: Library) -> None:
    app = search(with_tasks("tea", "bread"), "l2")
    field(app.toggle, f"{card('l2')}_on").set_value(True).run()
    search(app, "")
    assert shown_strategies(app) == [described(name).title for name in MOST_USED]
    (folded,) = [each for each in app.expander if "more strategies" in each.label]
    assert described("l2").title in folded.label
    assert app.button(key="experiment_start").label == f"Start {len(FIRST_ON) + 1} runs"


def test_a_form_is_drawn_once_it_is_opened_and_until_then_its_line_says_what_is_set(library: Library) -> None:
    field(page().number_input, f"{card('replay')}_replay_weight_entry0").set_value(0.25).run()
    app = AppTest.from_file(APP, default_timeout=300).run().switch_page(PAGE).run()  # a reload
    assert not [each for each in app.number_input if f"_{card('replay')}_" in each.key]
    assert any("Replay λ 0.25, memory 200" in each.label.replace("\\", "") for each in app.expander)
    assert saved(page()).strategies[1].parameters["replay_weight"] == 0.25


@pytest.mark.parametrize("words", ["fisher DOCUMENTS", "elastic", "ewc"])
def test_a_strategy_is_found_by_its_words_and_none_that_is_on_is_hidden(words: str) -> None:
    app = search(page(), words)
    assert {described(name).title for name in (*FIRST_ON, "ewc", "replay+ewc")} <= set(shown_strategies(app))
    assert described("kl").title not in shown_strategies(app)
    assert not app.info or "No strategy" not in app.info[-1].value


def test_a_search_that_finds_nothing_says_so_and_shows_what_is_on(library: Library) -> None:
    app = search(with_tasks("tea", "bread"), "**zeppelin** [x](https://evil.example)")
    (said,) = [each.value for each in app.info if "No strategy" in each.value]
    assert "\\*\\*zeppelin\\*\\*" in said
    assert "](" not in said
    assert shown_strategies(app) == [described(name).title for name in FIRST_ON]
    assert app.button(key="experiment_start").label == f"Start {len(FIRST_ON)} runs"
    assert len(shown_strategies(search(app, ""))) == len(MOST_USED)


def test_a_strategy_that_was_found_and_switched_on_stays_when_the_search_goes_on(library: Library) -> None:
    app = search(with_tasks("tea", "bread"), "reptile")
    (switch,) = [toggle for toggle in app.toggle if toggle.label == f"**{described('reptile').title}**"]
    switch.set_value(True).run()
    assert described("reptile").title in shown_strategies(search(app, "zeppelin"))
    assert app.button(key="experiment_start").label == f"Start {len(FIRST_ON) + 1} runs"


def test_a_form_that_a_search_leaves_out_comes_back_with_what_was_entered(library: Library) -> None:
    app = with_tasks("tea", "bread")
    field(app.toggle, f"{card('replay')}_several").set_value(True).run()
    field(app.text_input, f"{card('replay')}_replay_weight_list").set_value("0.5, 2").run()
    field(app.toggle, f"{card('ewc')}_on").set_value(True).run()
    field(app.number_input, f"{card('ewc')}_ewc_strength_entry0").set_value(47.0).run()
    field(app.toggle, f"{card('ewc')}_on").set_value(False).run()
    search(app, "zeppelin")
    assert not [each for each in app.number_input if each.key.endswith("ewc_strength_entry0")]
    search(app, "")
    field(app.toggle, f"{card('ewc')}_on").set_value(True).run()
    assert field(app.number_input, f"{card('ewc')}_ewc_strength_entry0").value == 47.0
    assert field(app.text_input, f"{card('replay')}_replay_weight_list").value == "0.5, 2"
    assert app.button(key="experiment_start").label == f"Start {len(FIRST_ON) + 2} runs"


def test_a_strategy_that_is_off_says_when_to_choose_it_and_what_it_costs_without_its_form() -> None:
    app = page()
    ewc = described("ewc")
    assert ewc.choose_when in [caption.value for caption in app.caption]
    (about,) = [each.value for each in app.markdown if each.value.startswith(f"**{ewc.title}**\n")]
    assert "200 documents read at a stage's end" in about
    assert "\n\nNeeds a second copy of the weights.  \n" in about
    assert ewc.sources[0][1] in about
    assert not [each for each in app.number_input if f"{card('ewc')}_" in each.key]


@pytest.mark.usefixtures("library")
def test_twenty_percent_of_old_text_can_be_typed_and_both_shares_are_shown_as_they_change() -> None:
    app = with_tasks("tea", "bread")
    assert any("50\u202f% of the loss; 33\u202f% of the tokens" in each.value.replace("\\", "") for each in app.caption)
    (share,) = [each for each in app.number_input if "old_text_percent" in each.key]
    assert share.value is None
    share.set_value(20.0).run()
    assert errors(app) == []
    assert saved(app).runs()[1].parameters | {"memory_size": 0} == {
        "replay_weight": 0.25, "replay_ratio": 0.25, "memory_size": 0
    }  # fmt: skip
    assert any("20\u202f% of the loss; 20\u202f% of the tokens" in each.value.replace("\\", "") for each in app.caption)
    assert any("0.25 tokens read beside each new one" in each.value.replace("\\", "") for each in app.caption)
    (weight,) = [each for each in app.number_input if each.key.endswith("replay_weight_entry0")]
    assert weight.value == 0.25
    weight.set_value(1.0).run()
    (share,) = [each for each in app.number_input if "old_text_percent" in each.key]
    assert share.value is None
    assert any("50\u202f% of the loss; 20\u202f% of the tokens" in each.value.replace("\\", "") for each in app.caption)
