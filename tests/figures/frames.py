"""Small frames as the store gives them, with scores that a reader can work out by hand."""

import math

import pandas as pd

TASKS = ["bread", "tea", "soup"]


def scores(nats_per_token: float) -> dict[str, float]:
    """All scores of one value; two bytes a token."""
    bits = nats_per_token / math.log(2) / 2
    return {
        "nats_per_token": nats_per_token,
        "perplexity": math.exp(nats_per_token),
        "bits_per_byte": bits,
        "accuracy": 1 / (1 + nats_per_token),
        "exact_match": 1 / (2 + nats_per_token),
        "token_f1": 1 / (1.5 + nats_per_token),
    }


def matrix(rows: list[list[float]], run_id: str = "a") -> pd.DataFrame:
    """Rows of nats per token, stage by task, as a long frame."""
    return pd.DataFrame(
        [
            {
                "run_id": run_id,
                "stage": stage,
                "task": TASKS[j],
                "task_index": j + 1,
                "target_tokens": 50,
                **scores(value),
            }
            for stage, row in enumerate(rows)
            for j, value in enumerate(row)
        ]
    )


def curve(
    values: dict[str, list[tuple[int, int, float]]], half: float = 0.1, worse: tuple[tuple[str, int, float], ...] = ()
) -> pd.DataFrame:
    """Per task a list of stage, step, nats per token, each in an interval of `half` to both sides; `worse` names the
    looks that are worse than after the task's own stage, by task and step, and by how much."""
    by = {(task, step): value for task, step, value in worse}
    names = ["nats_per_token", "perplexity", "bits_per_byte", "accuracy"]
    return pd.DataFrame(
        [
            {"run_id": "a", "stage": stage, "step": step, "task": task, **scores(nats)}
            | {f"{name}_low": min(scores(nats - half)[name], scores(nats + half)[name]) for name in names}
            | {f"{name}_high": max(scores(nats - half)[name], scores(nats + half)[name]) for name in names}
            | {"worse_by": by.get((task, step)), "worse_by_half": half, "is_worse": (task, step) in by}
            for task, points in values.items()
            for stage, step, nats in points
        ],
        columns=["run_id", "stage", "step", "task", *names, *(f"{n}_{e}" for n in names for e in ("low", "high")),
                 "worse_by", "worse_by_half", "is_worse"],
    )  # fmt: skip


def losses(steps: int, terms: tuple[str, ...] = ("new", "total"), stage: int = 1, first: int = 1) -> pd.DataFrame:
    """A loss that falls from 1 with the step."""
    return pd.DataFrame(
        [("a", stage, step, term, 1 / step) for step in range(first, first + steps) for term in terms],
        columns=["run_id", "stage", "step", "term", "nats_per_token"],
    )


def stages(*last_steps: int) -> pd.DataFrame:
    """Stages that end at these steps."""
    firsts = [1, *(step + 1 for step in last_steps[:-1])]
    return pd.DataFrame(
        [
            {
                "run_id": "a",
                "stage": i,
                "task": TASKS[i - 1],
                "first_step": first,
                "last_step": last,
                "steps": last - first + 1,
            }
            for i, (first, last) in enumerate(zip(firsts, last_steps, strict=True), 1)
        ]
    )
