import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from engine.common.errors import StoreError
from engine.events.control import Control
from engine.experiments.yaml_file import load_experiment
from engine.results.verdict import verdict
from engine.store import Store
from tests.fake_runs import FakeRun, experiment
from tests.results.frames import three_seeds
from ui.compare.compared_runs import compare, read
from ui.compare.downloads import (
    checkpoint_file,
    checkpoint_name,
    differences_file,
    experiment_file,
    file_name,
    for_spreadsheets,
    kept_checkpoints,
    results_file,
    scores_file,
)


def finished(store: Store, folder: Path, name: str = "kitchen") -> str:
    experiment_id = store.add_experiment(experiment(folder, name=name))
    while (run_id := store.claim_next()) is not None:
        _, spec = store.run_spec(run_id)
        store.record(run_id, *FakeRun()(store.experiment(experiment_id), spec, store.run_folder(run_id), Control(), 0))
        store.set_status(run_id, "finished")
    return experiment_id


def test_file_names_hold_nothing_that_a_system_refuses() -> None:
    assert file_name("Recipes / <b>Code</b>: *1*", " · scores.csv") == "Recipes b-Code-b 1 · scores.csv"
    assert file_name("中文", ".yaml") == "中文.yaml"
    assert file_name("../..", ".csv") == "palimpsest.csv"
    assert len(file_name("厨" * 120, " · report.html").encode()) < 200


def test_a_checkpoint_zip_holds_the_weights_in_a_folder_of_its_run_and_not_the_resumable_state(
    store: Store, tmp_path: Path
) -> None:
    kept = kept_checkpoints(store.stages(list(store.runs(finished(store, tmp_path))["run_id"])))
    assert len(kept) == 4
    assert set(kept["bytes"]) == {len(b"weights")}
    name = checkpoint_name("support-then-recipes", "replay (replay_weight=1)", 0, 2)
    assert name == "support-then-recipes · replay (replay_weight=1) · seed 0 · stage 2"
    last = kept.iloc[-1]
    made = checkpoint_file(store, last["run_id"], int(last["stage"]), last["checkpoint"], name)()
    with zipfile.ZipFile(io.BytesIO(made)) as archive:
        assert archive.namelist() == [f"{name}/model.safetensors", f"{name}/README.md"]
        assert "`replay (replay_weight=0.5)`, after stage 2 of 2" in archive.read(f"{name}/README.md").decode()


def test_names_of_checkpoints_tell_runs_and_stages_apart_however_long_the_experiment_s_is() -> None:
    names = {
        checkpoint_name("a very long name " * 7, f"replay (replay_weight={weight})", seed, stage)
        for weight in (0.25, 0.5) for seed in (0, 1) for stage in (1, 2)
    }  # fmt: skip
    assert len(names) == 8
    assert max(len(name.encode()) for name in names) <= 150


def test_a_checkpoint_that_is_gone_is_not_offered(store: Store, tmp_path: Path) -> None:
    stages = store.stages(list(store.runs(finished(store, tmp_path))["run_id"]))
    first = stages.iloc[0]
    gone = Path(first["checkpoint"])
    for part in gone.iterdir():
        part.unlink()
    with pytest.raises(StoreError, match="no longer there"):
        checkpoint_file(store, first["run_id"], int(first["stage"]), str(gone), "gone")()
    gone.rmdir()
    assert len(kept_checkpoints(stages)) == 3
    assert kept_checkpoints(stages.iloc[0:0]).empty


def test_the_csv_holds_every_score_of_every_chosen_experiment(store: Store, tmp_path: Path) -> None:
    ids = [finished(store, tmp_path, "one"), finished(store, tmp_path, "two, <b>")]
    lines = pd.read_csv(io.BytesIO(scores_file(store, ids)()), encoding="utf-8-sig")
    assert len(lines) == 2 * 2 * 3 * 2
    assert set(lines["experiment"]) == {"one", "two, <b>"}


def test_no_name_is_a_formula_in_the_csv(store: Store, tmp_path: Path) -> None:
    ids = [finished(store, tmp_path, name) for name in ("=1+1", "@SUM(A1)", "-1+cmd|' /C x'!A0", "-7", "a=b")]
    lines = pd.read_csv(io.BytesIO(scores_file(store, ids)()), encoding="utf-8-sig")
    assert set(lines["experiment"]) == {"'=1+1", "'@SUM(A1)", "'-1+cmd|' /C x'!A0", "-7", "a=b"}
    assert lines["nats_per_token"].dtype == float


def test_the_differences_are_a_line_per_rival_and_seed(store: Store, tmp_path: Path) -> None:
    every = read(store, [finished(store, tmp_path)], "bits_per_byte")
    found = verdict(three_seeds(0.1, apart=1.0), "bits_per_byte")
    comparison = replace(compare(every, list(every.runs["run_id"])), verdict=replace(found, winner="=1+1"))
    lines = pd.read_csv(io.BytesIO(differences_file(comparison)()), encoding="utf-8-sig")
    assert list(lines["seed"]) == [0, 1, 2]
    assert list(lines["difference"]) == pytest.approx([1.9, -0.1, 0.9])
    assert set(lines["winner"]) == {"'=1+1"}
    assert set(lines["configuration"]) == {"naive"}
    assert set(lines["score"]) == {"bits_per_byte"}
    assert lines["corrected_p"].tolist() == pytest.approx([0.2594] * 3, abs=1e-4)
    assert not lines["is_established"].any()


@pytest.mark.parametrize("number", ["-0.5", "1e-05", "-inf", "+3", "12", ".5", "-1.5E+10"])
def test_numbers_stay_numbers_in_the_csv(number: str) -> None:
    assert for_spreadsheets(number) == number
    assert for_spreadsheets(f"={number}") == f"'={number}"


def test_the_json_is_the_command_lines_for_one_experiment_and_a_list_for_several(store: Store, tmp_path: Path) -> None:
    first, second = finished(store, tmp_path, "one"), finished(store, tmp_path, "two")
    assert json.loads(results_file(store, [first])())["experiment"]["name"] == "one"
    assert [each["experiment"]["name"] for each in json.loads(results_file(store, [first, second])())] == ["one", "two"]


def test_the_yaml_reads_back_to_the_same_experiment_where_its_texts_lie_beside_it(store: Store, tmp_path: Path) -> None:
    configured = store.experiment(finished(store, tmp_path))
    for name in ("bread", "tea"):
        (tmp_path / "there" / "data" / name).mkdir(parents=True)
        (tmp_path / "there" / "data" / name / f"{name}.txt").touch()
    path = tmp_path / "there" / "saved.yaml"
    path.write_bytes(experiment_file(configured)())
    assert str(tmp_path) not in path.read_text(encoding="utf-8")
    found = load_experiment(path)
    assert [task.train for task in found.tasks] == [
        (str(path.parent / "data" / name / f"{name}.txt"),) for name in ("bread", "tea")
    ]
    assert found.model_copy(update={"tasks": configured.tasks}) == configured
