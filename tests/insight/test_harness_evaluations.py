"""lm-evaluation-harness beside a run: its command for a stage, and its results kept, shown and deleted with the run."""

import json
import shlex
import shutil
from pathlib import Path

import pytest

from engine.common.errors import ConfigError, StoreError
from engine.insight import frames
from engine.insight.harness_evaluations import COLUMNS, delete_file, doubt, evaluations, keep_file, kept_files
from engine.insight.requests import Source
from engine.results.export import results as results_of_store
from engine.store import Store
from tests.running.test_cli import call


def file(model: str, accuracy: float = 0.5) -> bytes:
    task = {"alias": "arc", "acc,none": accuracy, "acc_stderr,none": 0.25}
    found = {"results": {"arc": task}, "n-samples": {"arc": {"original": 9, "effective": 4}}, "model_name": model}
    return json.dumps(found).encode()


@pytest.fixture
def folder(results: Path, tmp_path: Path) -> Path:
    """A copy of the trained results."""
    return Path(shutil.copytree(results, tmp_path / "out"))


@pytest.fixture
def run_id(folder: Path) -> str:
    return str(frames.run_ids(folder)["run_id"].item())


def test_values_are_in_the_frame_and_in_the_runs_results(folder: Path, run_id: str) -> None:
    store = Store(folder)
    (experiment_id,) = store.experiments()["experiment_id"]
    assert results_of_store(store, experiment_id)["runs"][0]["harness"] == []
    assert list(evaluations(store, [run_id])) == list(COLUMNS)
    keep_file(store, Source(run_id, 0), "base.json", file("/models/tiny-gpt2", 0.75))
    keep_file(store, Source(run_id, 2), "r.json", file(f"/elsewhere/{run_id}/stage-2"))
    rows = results_of_store(store, experiment_id)["runs"][0]["harness"]
    assert rows[1] == {
        "stage": 2, "task": "arc", "metric": "acc", "filter": "", "value": 0.5, "stderr": 0.25, "items": 4,
        "shots": None, "higher_is_better": None,
    }  # fmt: skip
    found = frames.harness(folder)
    assert found[["run_id", "stage", "value"]].values.tolist() == [[run_id, 0, 0.75], [run_id, 2, 0.5]]
    (_, (source, kept)) = kept_files(store, [run_id])
    assert source == Source(run_id, 2)
    delete_file(store, run_id, kept.kept_id)
    assert frames.harness(folder)["stage"].tolist() == [0]
    store.delete_experiment(experiment_id)
    assert not (store.run_folder(run_id) / "harness").exists()
    store.close()


def test_a_file_that_names_another_model_is_doubted(folder: Path, run_id: str) -> None:
    store = Store(folder)
    source = Source(run_id, 1)
    for model, is_doubted in (
        (f"/a/{run_id}/stage-1", False), (f"C:\\a\\{run_id}\\stage-1\\", False), ("", False),
        (f"/a/{run_id}/stage-2", True), ("gpt2", True),
    ):  # fmt: skip
        kept = keep_file(store, source, "r.json", file(model))
        assert (doubt(source, kept) != "") == is_doubted
        assert "/a/" not in doubt(source, kept)
    assert doubt(Source(run_id, 0), kept) == ""
    store.close()


def test_a_run_or_stage_that_is_not_there_is_refused(folder: Path, run_id: str) -> None:
    store = Store(folder)
    with pytest.raises(StoreError, match="has 2 stages; there is none of number 3"):
        keep_file(store, Source(run_id, 3), "r.json", file(""))
    with pytest.raises(ConfigError, match="there is no `results`"):
        keep_file(store, Source(run_id, 2), "r.json", b"{}")
    assert kept_files(store, [run_id]) == []
    store.close()
    with pytest.raises(StoreError, match="has no checkpoint of stage 7"):
        frames.harness_command(folder, run_id, 7, "arc_easy")


def test_the_command_line_gives_the_harness_its_command_and_takes_its_file(
    folder: Path, run_id: str, tmp_path: Path
) -> None:
    code, out, _ = call("understand", str(folder), "--lm-eval", "arc_easy,hellaswag")
    words = shlex.split(out)
    assert (code, words[:3]) == (0, ["lm_eval", "--model", "hf"])
    assert f"pretrained={folder}/runs/{run_id}/stage-2,dtype=float32" in words
    assert "arc_easy,hellaswag" in words
    (tmp_path / "r.json").write_bytes(file("gpt2"))
    code, out, _ = call("understand", str(folder), "--harness", str(tmp_path / "r.json"), "--stage", "1")
    assert code == 0
    assert f"{run_id}, stage 1: arc, acc: 0.5 ± 0.25, 4 items" in out
    (tmp_path / "r.json").write_bytes(b'{"results": 5}')
    code, out, err = call("understand", str(folder), "--harness", str(tmp_path / "r.json"))
    assert (code, out) == (1, "")
    assert "r.json: there is no `results`" in err
    assert frames.harness(folder)["stage"].tolist() == [1]
