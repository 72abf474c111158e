from pathlib import Path

import pandas as pd

from engine.insight.requests import Source
from ui.understand.models import FEW, Models, models_of, read, written


def models(
    folder: Path,
    labels: list[str],
    seeds: list[int],
    finished: list[int],
    orders: list[tuple[str, ...] | None] | None = None,
) -> Models:
    """Models of runs r0, r1, … of two tasks, of which so many stages are finished and kept."""
    ids = [f"r{number}" for number in range(len(labels))]
    rows = []
    for run_id, last in zip(ids, finished, strict=True):
        for stage in (1, 2):
            checkpoint = folder / run_id / str(stage)
            if stage <= last:
                checkpoint.mkdir(parents=True)
            rows.append({"run_id": run_id, "stage": stage, "finished": True, "checkpoint": str(checkpoint)})
    runs = pd.DataFrame({"run_id": ids, "label": labels, "seed": seeds, "task_order": orders or [None] * len(ids)})
    return models_of(runs, pd.DataFrame(rows), ["bread", "tea"])


def test_names_are_the_short_ones_and_hold_seeds_only_where_these_tell_runs_apart(tmp_path: Path) -> None:
    found = models(tmp_path, ["naive", "replay (replay_weight=1)", "replay (replay_weight=2)"], [0, 0, 0], [2, 1, 0])
    assert found.names == {
        Source("r0", 0): "base model",
        Source("r0", 1): "Naive after stage 1 · bread",
        Source("r0", 2): "Naive after stage 2 · tea",
        Source("r1", 1): "Replay λ 1 after stage 1 · bread",
    }
    with_seeds = models(tmp_path / "seeds", ["naive", "naive"], [0, 1], [1, 1])
    assert with_seeds.run_names == {"r0": "Naive · seed 0", "r1": "Naive · seed 1"}


def test_a_stage_is_called_after_the_task_that_the_run_trained_in_it(tmp_path: Path) -> None:
    labels, orders = ["naive (order=1)", "naive (order=2)"], [("bread", "tea"), ("tea", "bread")]
    found = models(tmp_path, labels, [0, 0], [1, 1], [*orders])
    assert [found.names[Source(run_id, 1)] for run_id in ("r0", "r1")] == [
        "Naive, order 1 after stage 1 · bread", "Naive, order 2 after stage 1 · tea",
    ]  # fmt: skip


def test_the_usual_ones_are_the_base_and_the_last_stage_of_each_strategy_s_first_run(tmp_path: Path) -> None:
    found = models(tmp_path, ["naive", "naive", "joint"], [0, 1, 0], [2, 2, 1])
    assert found.usual == (Source("r0", 0), Source("r0", 2), Source("r2", 1))
    many = models(tmp_path / "many", [f"s{n}" for n in range(9)], [0] * 9, [1] * 9)
    assert len(many.usual) == FEW


def test_before_the_first_stage_there_is_the_base_model_alone(tmp_path: Path) -> None:
    found = models(tmp_path, ["naive"], [0], [0])
    assert list(found.names) == [Source("r0", 0)] == list(found.usual)
    assert found.stages == {}


def test_a_model_in_an_address_is_read_back() -> None:
    assert read(written(Source("483b-000", 3))) == Source("483b-000", 3)
    assert [read(text) for text in ("", "x", "x:", ":1", "x:²", "x:-1")] == [None] * 6
