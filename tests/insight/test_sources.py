"""What is asked is what was trained: files that are gone or changed are said, never taken for the run's."""

import shutil
from pathlib import Path

import pandas as pd
import pytest

from engine.common.errors import PalimpsestError, StoreError
from engine.insight import frames
from engine.insight.sources import named
from engine.running.results_folder import keep_checkpoints


@pytest.fixture
def own(results: Path, tmp_path: Path) -> tuple[Path, str]:
    """A copy of the results to change, and the run's id."""
    folder = tmp_path / "out"
    shutil.copytree(results, folder)
    return folder, str(frames.run_ids(folder)["run_id"].iloc[0])


def test_weights_of_another_stage_in_a_checkpoint_are_not_answered_with(own: tuple[Path, str]) -> None:
    folder, run_id = own
    shutil.copy(
        folder / "runs" / run_id / "stage-1/model.safetensors", folder / "runs" / run_id / "stage-2/model.safetensors"
    )
    with pytest.raises(PalimpsestError, match="The checkpoint of stage 2 is not there, or is damaged"):
        frames.answers(folder, ["Not asked before"], [(run_id, 2)], most_tokens=2)


@pytest.mark.parametrize("sums", ["{}", "[]", "no json"])
def test_a_checkpoint_whose_sums_name_no_weights_is_damaged(own: tuple[Path, str], sums: str) -> None:
    folder, run_id = own
    (folder / "runs" / run_id / "stage-2/sums.sha256").write_text(sums, encoding="utf-8")
    with pytest.raises(PalimpsestError, match="damaged"):
        frames.answers(folder, ["Note"], [(run_id, 2)], most_tokens=2)


def test_a_run_whose_last_checkpoint_is_gone_is_neither_shipped_nor_shown_by_an_earlier_one(
    own: tuple[Path, str],
) -> None:
    folder, run_id = own
    shutil.rmtree(folder / "runs" / run_id / "stage-2")
    assert frames.run_ids(folder)["stages"].item() == 2
    for ask in (
        lambda: frames.verification(folder, (), 9.0),
        lambda: frames.passages(folder, run_id, "bread"),
    ):
        with pytest.raises(PalimpsestError, match="The checkpoint of stage 2"):
            ask()


def test_a_checkpoint_that_was_not_kept_is_told_from_a_damaged_one(own: tuple[Path, str]) -> None:
    folder, run_id = own
    assert keep_checkpoints(folder, "last") > 0
    with pytest.raises(StoreError, match="The checkpoint of stage 1 was not kept"):
        frames.answers(folder, ["Note"], [(run_id, 1)], most_tokens=2)
    assert len(frames.answers(folder, ["Note"], [(run_id, 2)], most_tokens=2)) == 1


def test_texts_that_changed_since_the_run_are_refused(own: tuple[Path, str]) -> None:
    folder, run_id = own
    from engine.store import Store

    store = Store(folder)
    experiment_id, _ = store.run_spec(run_id)
    (text,) = (task.train[0] for task in store.experiment(experiment_id).tasks if task.name == "tea")
    store.close()
    before = Path(text).read_text(encoding="utf-8")
    try:
        Path(text).write_text(before.replace("cups", "jugs"), encoding="utf-8")
        with pytest.raises(PalimpsestError, match="held-out text of task 'tea' is not what this run was scored on"):
            frames.passages(folder, run_id, "tea", before=0)
    finally:
        Path(text).write_text(before, encoding="utf-8")


def test_a_task_is_looked_at_from_its_own_stage_and_the_last_from_the_base_model(own: tuple[Path, str]) -> None:
    folder, run_id = own
    for task, stages in (("bread", (1, 2)), ("tea", (0, 2))):
        table = frames.passages(folder, run_id, task)
        assert (table["from_stage"].iloc[0], table["to_stage"].iloc[0]) == stages
    with pytest.raises(PalimpsestError, match="Stage 2 does not come before stage 1"):
        frames.passages(folder, run_id, "tea", before=2, after=1)


def test_a_run_is_named_by_id_or_label_or_by_a_strategy_that_has_one_label() -> None:
    runs = pd.DataFrame(
        {
            "run_id": ["a", "b", "c", "d"],
            "label": ["kl (β 1)", "kl (β 1)", "ewc (1)", "ewc (2)"],
            "strategy": ["kl", "kl", "ewc", "ewc"],
        }
    )
    for wanted, expected in {"kl": "ab", "kl (β 1)": "ab", "d": "d", "ewc (2)": "d", "ewc": "", "none": ""}.items():
        assert "".join(named(runs, wanted)["run_id"]) == expected
