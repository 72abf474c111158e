"""Frames of runs with hand-made score matrices."""

from typing import Any

import pandas as pd

from engine.results.comparison import run_frame, with_configurations

NAIVE = [[4.0, 4.0], [2.0, 3.5], [3.0, 2.0]]
REPLAY = [[4.0, 4.0], [2.0, 3.5], [2.1, 2.2]]
JOINT = [[4.0, 4.0], [2.0, 3.5], [1.9, 1.9]]


def a_run(run_id: str, label: str, seed: int = 0, **more: Any) -> dict[str, Any]:
    return {
        "run_id": run_id, "experiment_id": "e1", "experiment": "pairs", "label": label,
        "strategy": label.split(" ")[0], "parameters": {}, "seed": seed, "task_order": None, "status": "finished",
        "stages": 2, "seconds": 10.0, "target_tokens": 1000,
    } | more  # fmt: skip


def a_matrix(run_id: str, rows: list[list[float]]) -> list[dict[str, Any]]:
    cells = [(stage, index, value) for stage, row in enumerate(rows) for index, value in enumerate(row, start=1)]
    return [
        {"run_id": run_id, "stage": s, "task": f"task {j}", "task_index": j, "bits_per_byte": v, "accuracy": 1 / v}
        for s, j, v in cells
    ]


CURVE = pd.DataFrame(columns=["run_id", "stage", "step", "task", "bits_per_byte", "accuracy"])


def compared(*runs: tuple[dict[str, Any], list[list[float]]], curve: pd.DataFrame = CURVE) -> pd.DataFrame:
    frame = with_configurations(pd.DataFrame([run for run, _ in runs]))
    columns = ["run_id", "stage", "task", "task_index", "bits_per_byte", "accuracy"]
    cells = [cell for run, rows in runs for cell in a_matrix(run["run_id"], rows)]
    return run_frame(frame, pd.DataFrame(cells, columns=columns), curve, "bits_per_byte")


def shifted(rows: list[list[float]], by: float) -> list[list[float]]:
    return [rows[0], *[[value + by for value in row] for row in rows[1:]]]


def three_seeds(spread: float, apart: float = 0.0) -> pd.DataFrame:
    """naive, replay and joint; seeds shift all three by `spread`, and naive against the others by `apart`."""
    runs = []
    for seed in range(3):
        by = spread * (seed - 1)
        runs.append((a_run(f"n{seed}", "naive", seed), shifted(NAIVE, by + apart * (1, -1, 0)[seed])))
        runs.append((a_run(f"r{seed}", "replay", seed, seconds=20.0, target_tokens=2000), shifted(REPLAY, by)))
        runs.append((a_run(f"j{seed}", "joint", seed), shifted(JOINT, by)))
    return compared(*runs)
