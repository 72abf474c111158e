"""What kept most, of the runs that compare fairly: the run that is handed over unless another is named, and the paired
tests as data."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from engine.results.comparison import best_checkpoint, run_frame, with_configurations
from engine.results.fairness import Conditions, conditions_of_runs, unfair, unfair_runs
from engine.results.paired_tests import Draw, PairedDifference
from engine.results.verdict import Verdict, verdict
from engine.store import Store

_TESTED = ("configuration", "mean", "half_width", "p", "corrected_p", "comparisons", "is_established")
_NO_CURVE = pd.DataFrame(columns=["run_id", "task", "stage", "step"])


def kept_most(store: Store, experiment_id: str, score: str = "bits_per_byte") -> str | None:
    """The id of the best run of the configuration that the verdict names, of the runs that compare fairly; None where
    no run is complete."""
    runs = store.runs(experiment_id)
    run_ids = runs["run_id"].tolist()
    experiments = {experiment_id: store.experiment(experiment_id)}
    named = with_configurations(runs)
    facts, environments = store.task_facts_by_run(run_ids), store.environments(run_ids)
    left_out = unfair_runs(unfair(named, conditions_of_runs(runs, experiments, facts, environments)))
    judged = named[~named["run_id"].isin(list(left_out))]
    frame = _measured(judged, store.matrix(run_ids), score)
    winner = verdict(frame, score).winner
    winners = frame.loc[frame["configuration"] == winner, "run_id"]
    return best_checkpoint(frame, score, among=winners)


def comparison_data(
    runs: pd.DataFrame, matrix: pd.DataFrame, of_run: Mapping[str, Conditions], scores: Sequence[str]
) -> dict[str, Any]:
    """By score: what kept most and its paired differences to the others, above 0 where it kept more; and the runs that
    are left out because they can't be compared fairly. The winner is None where no run can be compared."""
    named = with_configurations(runs)
    left_out = list(unfair_runs(unfair(named, of_run)))
    judged = named[~named["run_id"].isin(left_out)]
    found: dict[str, Any] = {}
    for name in scores:
        said = verdict(_measured(judged, matrix, name), name)
        found[name] = {
            "winner": said.winner,
            "measure": said.measure or None,
            "differences": [_tested(each) | _by_draw(each) for each in said.differences],
        }
    return found | {"left_out": left_out}


def _by_draw(found: PairedDifference) -> dict[str, Any]:
    """The differences by seed, or by order and seed."""
    lines = [
        {"order": draw[0], "seed": draw[1], "difference": difference}
        for draw, difference in found.by_seed.items()
        if isinstance(draw, tuple)
    ]
    return {"by_order_and_seed": lines} if lines else {"by_seed": found.by_seed}


def differences_csv(found: Verdict, score: str) -> str:
    """The paired differences of a verdict, long: one line per rival and seed, and order where this varies, with the
    test of all of them."""
    about = {"score": score, "measure": found.measure, "winner": found.winner}
    lines = [
        about | _tested(each) | _draw(draw) | {"difference": difference}
        for each in found.differences
        for draw, difference in each.by_seed.items()
    ]
    of_draw = list(_draw(next(iter(found.differences[0].by_seed)))) if found.differences else ["seed"]
    columns = [*about, *_TESTED, *of_draw, "difference"]
    return str(pd.DataFrame(lines, columns=columns).to_csv(index=False, lineterminator="\n"))


def _draw(draw: Draw) -> dict[str, Any]:
    """A seed, or an order and a seed, as cells of a line."""
    return {"order": " → ".join(draw[0]), "seed": draw[1]} if isinstance(draw, tuple) else {"seed": draw}


def _tested(found: PairedDifference) -> dict[str, Any]:
    values = (
        found.rival, found.mean, found.half_width, found.p, found.corrected_p, found.comparisons, found.is_established,
    )  # fmt: skip
    return dict(zip(_TESTED, values, strict=True))


def _measured(runs: pd.DataFrame, matrix: pd.DataFrame, score: str) -> pd.DataFrame:
    return run_frame(runs, matrix, _NO_CURVE.assign(**{score: []}), score)
