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
from engine.events.control import Control
from engine.events.scores import Score
from engine.results.export import checkpoint_zip, results, scores_csv, to_json, write_results
from engine.running.driver import drive
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
    assert list(found) == ["schema", "experiment", "environment", "tasks", "runs"]
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
    assert found["schema"] == "palimpsest/results/2"
    assert [path.startswith("../data/runs/") for path in found["runs"][0]["checkpoints"]] == [True, True]
    moved = tmp_path / "moved"
    moved.mkdir()
    store.close()
    store.folder.rename(moved / "data")
    path.parent.rename(moved / "elsewhere")
    assert all((moved / "elsewhere" / each).is_dir() for each in found["runs"][0]["checkpoints"])
    assert str(tmp_path) not in json.dumps(found["runs"])


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
