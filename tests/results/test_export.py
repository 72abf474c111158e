import csv
import io
import json
import math
import zipfile
from pathlib import Path

import pandas as pd
import pytest

from engine import events
from engine.common.errors import StoreError
from engine.common.quoting import safe_name
from engine.driving.driver import drive
from engine.events.control import Control
from engine.events.scores import Score
from engine.results.export import checkpoint_zip, results, scores_csv, to_json, write_results
from engine.store import Store
from tests.fake_runs import STEPS, FakeRun, experiment


def finish_all(store: Store, tmp_path: Path, **changes: object) -> str:
    experiment_id = store.add_experiment(experiment(tmp_path, **changes))
    while (run_id := store.claim_next()) is not None:
        drive(store, run_id, Control(), FakeRun())
    return experiment_id


def test_results_hold_all_that_the_contract_names(store: Store, tmp_path: Path) -> None:
    experiment_id = finish_all(store, tmp_path, strategies=["naive", "joint"])
    found = results(store, experiment_id)
    assert list(found) == [
        "schema", "experiment", "environment", "tasks", "reference", "general", "unscored", "runs", "comparison",
    ]  # fmt: skip
    assert found["experiment"]["training"]["epochs"] == 3  # resolved: defaults are in it
    assert found["environment"] == {"device": "cpu"}
    run = found["runs"][0]
    assert (run["strategy"], run["parameters"], run["seed"], run["status"]) == ("naive", {}, 0, "finished")
    assert run["scores"]["nats_per_token"] == [[4, 4], [2, 4], [3, 2]]
    assert run["scores"]["perplexity"][1][0] == pytest.approx(math.exp(2))
    assert (run["seconds"], run["tokens"]) == (1.0, 100 * 2 * STEPS)
    assert [Path(path).name for path in run["checkpoints"]] == ["stage-1", "stage-2"]
    assert not any(Path(path).is_absolute() for path in run["checkpoints"])
    assert all((store.folder / path).is_dir() for path in run["checkpoints"])


def test_curves_are_exported_with_their_intervals_as_a_table(store: Store, tmp_path: Path) -> None:
    experiment_id = finish_all(store, tmp_path, strategies=["naive", "joint"])
    kept = store.curve(store.runs(experiment_id)["run_id"].tolist())
    path = tmp_path / "results.json"
    write_results(store, experiment_id, path)
    for run in json.loads(path.read_text(encoding="utf-8"))["runs"]:
        table = pd.DataFrame(run["curve"])
        wanted = kept[kept["run_id"] == run["run_id"]].reset_index(drop=True)[list(table)]
        pd.testing.assert_frame_equal(table.astype(wanted.dtypes), wanted)
        inside = table[table["step"] % STEPS == STEPS // 2]
        assert len(inside) == 4
        assert (inside["nats_per_token_low"] < inside["nats_per_token"]).any()
        assert (inside["nats_per_token_low"] <= inside["nats_per_token_high"]).all()


def test_results_say_what_each_run_trained_with_its_overrides_included(store: Store, tmp_path: Path) -> None:
    described = experiment(tmp_path, strategies=["naive", {"naive": {"learning_rate": 1e-4}}])
    tasks = (described.tasks[0].model_copy(update={"epochs": 9}), described.tasks[1])
    found = results(store, store.add_experiment(described.model_copy(update={"tasks": tasks})))
    assert [task.get("epochs") for task in found["experiment"]["tasks"]] == [9, None]
    assert found["runs"][1]["parameters"] == {"learning_rate": 1e-4}
    assert [run["training"] for run in found["runs"]] == [
        [{"task": "bread", "epochs": 9, "learning_rate": rate}, {"task": "tea", "epochs": 3, "learning_rate": rate}]
        for rate in (5e-4, 1e-4)
    ]


def test_checkpoints_are_named_from_where_the_results_lie_so_that_both_may_move_together(
    store: Store, tmp_path: Path
) -> None:
    experiment_id = finish_all(store, tmp_path, strategies=["naive"])
    (tmp_path / "elsewhere").mkdir()
    path = tmp_path / "elsewhere" / "results.json"
    found = write_results(store, experiment_id, path)
    assert json.loads(path.read_text(encoding="utf-8")) == found
    assert found["schema"] == "palimpsest/results/3"
    assert [path.startswith("../data/runs/") for path in found["runs"][0]["checkpoints"]] == [True, True]
    moved = tmp_path / "moved"
    moved.mkdir()
    store.close()
    store.folder.rename(moved / "data")
    path.parent.rename(moved / "elsewhere")
    assert all((moved / "elsewhere" / each).is_dir() for each in found["runs"][0]["checkpoints"])
    assert str(tmp_path) not in json.dumps(found["runs"])


def test_results_hold_what_a_strategy_remarked_about_its_stages(store: Store, tmp_path: Path) -> None:
    (run,) = results(store, finish_all(store, tmp_path, strategies=["naive"]))["runs"]
    assert run["remarks"] == [{"stage": 2, "text": "A sentence with <b>a mark</b>."}]


def test_summaries_are_those_of_the_matrix_computed_by_hand(store: Store, tmp_path: Path) -> None:
    experiment_id = finish_all(store, tmp_path, strategies=["naive", "joint"])
    naive, joint = results(store, experiment_id)["runs"]
    summary = naive["summary"]["nats_per_token"]  # s = -[[4, 4], [2, 4], [3, 2]]
    assert summary["average"] == -2.5
    assert summary["backward_transfer"] == -1
    assert summary["forward_transfer"] == 0
    assert summary["forgetting"] == 1
    assert summary["learning_accuracy"] == -2
    assert summary["relative_forgetting"] == [0.5]
    assert summary["intransigence"] == 0  # the fake joint run learns the same
    assert joint["summary"]["nats_per_token"]["intransigence"] is None
    assert "joint" in joint["summary"]["nats_per_token"]["reasons"]["intransigence"]


def test_a_run_cut_short_keeps_the_matrix_shape_and_says_why_nothing_is_summed_up(store: Store, tmp_path: Path) -> None:
    experiment_id = store.add_experiment(experiment(tmp_path, strategies=["naive"]))
    run_id = store.claim_next()
    assert run_id is not None
    drive(store, run_id, Control(), FakeRun(fail_at=STEPS + 1, error=MemoryError()))
    run = results(store, experiment_id)["runs"][0]
    assert run["status"] == "failed"
    assert run["scores"]["nats_per_token"] == [[4, 4], [2, 4], [None, None]]
    assert run["summary"]["accuracy"]["average"] is None
    assert run["summary"]["accuracy"]["reasons"]["average"]


def test_an_experiment_that_has_not_begun_exports_too(store: Store, tmp_path: Path) -> None:
    experiment_id = store.add_experiment(experiment(tmp_path))
    found = results(store, experiment_id)
    assert found["environment"] == {}
    assert found["runs"][0]["scores"]["accuracy"] == [[None, None]] * 3
    assert set(map(tuple, found["runs"][0]["curve"].values())) == {()}
    assert scores_csv(store, experiment_id).count("\n") == 1  # the header


def test_json_holds_no_nan_and_no_infinity(store: Store, tmp_path: Path) -> None:
    experiment_id = store.add_experiment(experiment(tmp_path, strategies=["naive"]))
    run_id = store.runs(experiment_id)["run_id"].item()
    hopeless = Score(1e6, 10, 10, 0)
    store.record(run_id, events.Evaluated(0, 0, {}, {"bread": hopeless, "tea": hopeless}))
    path = tmp_path / "results.json"
    write_results(store, experiment_id, path)

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    found = json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)
    assert found["runs"][0]["scores"]["perplexity"][0] == [None, None]
    assert found["runs"][0]["scores"]["nats_per_token"][0] == [1e5, 1e5]


def test_names_in_other_scripts_stay_readable_in_json(store: Store, tmp_path: Path) -> None:
    experiment_id = store.add_experiment(experiment(tmp_path, name="厨房"))
    assert "厨房" in to_json(results(store, experiment_id))


def test_csv_has_a_line_per_run_stage_and_task(store: Store, tmp_path: Path) -> None:
    experiment_id = finish_all(store, tmp_path)
    lines = list(csv.DictReader(io.StringIO(scores_csv(store, experiment_id))))
    assert len(lines) == 2 * 3 * 2
    cell = next(x for x in lines if (x["strategy"], x["stage"], x["task"]) == ("replay", "2", "bread"))
    assert float(cell["nats_per_token"]) == 3
    assert cell["label"] == "replay (replay_weight=0.5)"


def three_seeds(store: Store, tmp_path: Path) -> str:
    """A finished experiment whose scores are those of the runs, with naive behind replay by 0.2, 0.3 and 0.4 nats."""
    experiment_id = store.add_experiment(experiment(tmp_path, strategies=["naive", "replay", "joint"], seeds=[0, 1, 2]))
    while (run_id := store.claim_next()) is not None:
        _, spec = store.run_spec(run_id)
        drive(store, run_id, Control(), FakeRun())
        behind = 0.2 + 0.1 * spec.seed if spec.strategy == "naive" else 0.0
        last = {name: Score((3 + spec.seed + behind) * 10, 10, 20, 1) for name in ("bread", "tea")}
        store.record(run_id, events.Evaluated(2, 2 * STEPS, last, last))
    return experiment_id


def test_results_hold_the_paired_tests_of_what_kept_most(store: Store, tmp_path: Path) -> None:
    found = results(store, three_seeds(store, tmp_path))["comparison"]
    assert list(found) == ["nats_per_token", "bits_per_byte", "accuracy", "left_out"]
    nats = found["nats_per_token"]
    assert (nats["winner"], nats["measure"]) == ("replay", "earlier_tasks")
    (naive,) = nats["differences"]  # joint is the reference
    assert naive["configuration"] == "naive"
    assert naive["by_seed"] == pytest.approx({"0": 0.2, "1": 0.3, "2": 0.4})
    # mean 0.3, deviation 0.1: t = 3 √3, p = 1 − t / √(t² + 2), half the interval 4.3027 · 0.1 / √3
    assert naive["mean"] == pytest.approx(0.3)
    assert naive["half_width"] == pytest.approx(0.24841, abs=1e-5)
    assert naive["p"] == naive["corrected_p"] == pytest.approx(1 - 3 * math.sqrt(3 / 29))
    assert (naive["comparisons"], naive["is_established"]) == (1, True)
    assert found["bits_per_byte"]["differences"][0]["mean"] == pytest.approx(0.3 / math.log(2) / 2)
    assert found["left_out"] == []


def test_runs_that_can_not_be_compared_fairly_are_left_out_of_the_paired_tests(store: Store, tmp_path: Path) -> None:
    strategies = ["naive", "replay", {"naive": {"learning_rate": 1e-4}}]
    found = results(store, finish_all(store, tmp_path, strategies=strategies, seeds=[0, 1]))
    odd = [run["run_id"] for run in found["runs"] if run["parameters"].get("learning_rate") == 1e-4]
    assert found["comparison"]["left_out"] == odd
    assert len(found["comparison"]["accuracy"]["differences"]) == 1


def test_an_experiment_that_has_not_begun_has_no_winner(store: Store, tmp_path: Path) -> None:
    found = results(store, store.add_experiment(experiment(tmp_path)))["comparison"]
    assert found["accuracy"] == {"winner": None, "measure": None, "differences": []}


def test_a_zipped_checkpoint_leaves_the_state_with_the_texts_behind(tmp_path: Path) -> None:
    folder = tmp_path / "stage-2"
    folder.mkdir()
    for name in ("config.json", "model.safetensors", "palimpsest-state.pt"):
        (folder / name).write_bytes(b"x")
    file = io.BytesIO()
    checkpoint_zip(folder, file)
    assert sorted(zipfile.ZipFile(file).namelist()) == ["stage-2/config.json", "stage-2/model.safetensors"]


def test_a_zipped_checkpoint_unpacks_to_one_folder_of_the_given_name_made_fit_for_file_systems(tmp_path: Path) -> None:
    folder = tmp_path / "stage-2"
    folder.mkdir()
    (folder / "config.json").write_bytes(b"x")
    file = io.BytesIO()
    checkpoint_zip(folder, file, "../support: <recipes> · seed 0")
    (name,) = zipfile.ZipFile(file).namelist()
    assert name == "support recipes · seed 0/config.json"


def test_a_zipped_adapter_takes_a_base_of_this_machine_along_and_leaves_its_place_unsaid(tmp_path: Path) -> None:
    base, folder = tmp_path / "base", tmp_path / "stage-2"
    for made, names in (
        (base, ("config.json", "model.safetensors", "tokenizer.json", "run.py")),
        (folder, ("a.json",)),
    ):
        made.mkdir()
        for name in names:
            (made / name).write_text(f"{made.name} {name}")
    (folder / "tokenizer.json").write_text("its own")
    (folder / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": str(base), "r": 8}))
    file = io.BytesIO()
    checkpoint_zip(folder, file)
    archive = zipfile.ZipFile(file)
    names = {"a.json", "adapter_config.json", "config.json", "model.safetensors", "tokenizer.json"}
    assert {Path(name).name for name in archive.namelist()} == names
    assert archive.read("stage-2/tokenizer.json") == b"its own"
    assert json.loads(archive.read("stage-2/adapter_config.json")) == {"base_model_name_or_path": ".", "r": 8}
    for each in base.iterdir():
        each.unlink()
    with pytest.raises(StoreError, match="its base model is no longer in"):
        checkpoint_zip(folder, io.BytesIO())
    (folder / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "gpt2"}))
    checkpoint_zip(folder, file := io.BytesIO())
    assert b"gpt2" in zipfile.ZipFile(file).read("stage-2/adapter_config.json")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("support · replay (replay_weight=1) · seed 0", "support · replay (replay_weight=1) · seed 0"),
        ('a/b\\c:d*e?"f"<g>|h', "a-b-c-d-e-f-g-h"), ("Demo: three/two", "Demo three-two"), (" /<b>:", "b"),
        ("con", "_con"), ("NUL.txt", "_NUL.txt"), ("console", "console"),
        ("ends. ", "ends"), ("...", "palimpsest"), ("", "palimpsest"), ("a\x00b\u202ec\nd", "abc d"),
        ("cafe\u0301", "caf\u00e9"), ("→ 厨房 🚀", "→ 厨房 🚀"),
    ],
)  # fmt: skip
def test_a_safe_name_is_one_that_every_file_system_takes(text: str, name: str) -> None:
    assert safe_name(text) == name


def test_a_safe_name_that_is_too_long_keeps_its_end() -> None:
    name = safe_name("厨" * 200 + " · stage 3", 60)
    assert name.startswith("厨")
    assert name.endswith("厨 · stage 3")
    assert "…" in name
    assert len(name.encode()) <= 60


def test_a_checkpoint_that_is_gone_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no longer there"):
        checkpoint_zip(tmp_path / "nothing", io.BytesIO())


def test_a_run_says_what_cut_it_short_elsewhere_and_on_what_it_computed_where_that_is_another(
    store: Store, tmp_path: Path
) -> None:
    experiment_id = store.add_experiment(experiment(tmp_path, strategies=["naive", "joint", "replay", "cumulative"]))
    like, other = {"device": "cpu", "node": "a"}, {"device": "cpu", "node": "b"}
    for environment in (like, other, like):
        run_id = store.claim_next()
        assert run_id is not None
        store.record(run_id, events.RunStarted(2 * STEPS, 2, 0, environment, ()))
        if environment is other:
            store.requeue_lost(run_id, "The node a is gone.")
            assert store.claim(run_id)
            store.requeue_lost(run_id, "The node b is gone.")
            assert store.claim(run_id)
        store.set_status(run_id, "finished")
    found = results(store, experiment_id)
    assert found["environment"] == like
    assert [run["environment"] for run in found["runs"]] == [None, other, None, None]
    assert [run["interruptions"] for run in found["runs"]] == [
        [],
        ["The node a is gone.", "The node b is gone."],
        [],
        [],
    ]
