"""Which main parameters the compared runs vary."""

import pandas as pd

from ui.compare.varied_parameters import varied_parameters

REPLAY = {"replay_weight": 1.0, "memory_size": 200, "replay_ratio": 0.5}


def runs(*given: tuple[str, str, dict[str, object]], experiment: str = "e") -> pd.DataFrame:
    return pd.DataFrame(
        [{"configuration": c, "strategy": s, "parameters": p, "experiment_id": experiment} for c, s, p in given]
    )


def test_values_stand_in_order_each_with_its_configuration() -> None:
    (found,) = varied_parameters(
        runs(
            ("c", "replay", REPLAY | {"replay_weight": 3.0}),
            ("a", "replay", REPLAY | {"replay_weight": 0.0}),
            ("b", "replay", REPLAY),
            ("n", "naive", {}),
        )
    )
    assert (found.strategy, found.parameter, found.label) == ("replay", "replay_weight", "Replay weight λ")
    assert list(found.values.items()) == [("a", 0.0), ("b", 1.0), ("c", 3.0)]


def test_a_parameter_is_varied_where_all_else_is_alike() -> None:
    apart = {"replay_weight": 3.0, "memory_size": 50}
    assert varied_parameters(runs(("a", "replay", REPLAY), ("b", "replay", REPLAY | apart))) == []
    grid = [(f"{w} {m}", "replay", REPLAY | {"replay_weight": w, "memory_size": m}) for w in (1.0, 2.0) for m in (5, 9)]
    found = varied_parameters(runs(*grid))
    assert [(each.parameter, list(each.values)) for each in found] == [
        ("replay_weight", ["1.0 5", "2.0 5"]), ("memory_size", ["1.0 5", "1.0 9"]),
        ("replay_weight", ["1.0 9", "2.0 9"]), ("memory_size", ["2.0 5", "2.0 9"]),
    ]  # fmt: skip


def test_runs_of_two_experiments_are_no_series() -> None:
    both = [
        runs((name, "replay", REPLAY | {"replay_weight": weight}), experiment=name)
        for name, weight in (("a", 1.0), ("b", 2.0))
    ]
    assert varied_parameters(pd.concat(both)) == []


def test_what_is_no_number_or_of_another_version_is_left_out() -> None:
    texts = [(name, "l2", {"l2_reference": name}) for name in ("base", "previous")]
    unknown = [(str(value), "gone", {"x": value}) for value in (1.0, 2.0)]
    strengths = [(str(value), "ewc", {"ewc_strength": value}) for value in (None, 1.0)]
    assert varied_parameters(runs(*texts, *unknown, *strengths)) == []
