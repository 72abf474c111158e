"""The report says all that repeating it takes, and nothing of where things lie on the machine that made it."""

import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from plotly.offline import get_plotlyjs

from engine.driving.driver import drive
from engine.events.control import Control
from engine.store import Store
from tests.fake_runs import FakeRun, experiment
from ui.compare.compared_runs import Comparison, compare, read
from ui.compare.report import MOST_CURVES, curve_sections, machine_section, report, without_places

# A path of a machine: from its root, or from a drive.
ABSOLUTE = re.compile(r"""(?<![\w.<:/"'*\\])(/[\w.-]+){2,}|\b[A-Z]:\\""")


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PALIMPSEST_DATA", str(tmp_path / "data"))


def finished(store: Store, folder: Path, **changes: Any) -> str:
    experiment_id = store.add_experiment(experiment(folder, **changes))
    while (run_id := store.claim_next()) is not None:
        drive(store, run_id, Control(), FakeRun())
    return experiment_id


def compared(store: Store, *ids: str) -> Comparison:
    every = read(store, ids, "bits_per_byte")
    return compare(every, list(every.runs["run_id"]), judge_all=True)


def test_the_report_holds_verdict_tables_the_pages_figures_and_every_strategys_curves(
    store: Store, tmp_path: Path
) -> None:
    made = report(store, compared(store, finished(store, tmp_path, name="<script>alert(1)</script>", seeds=[0, 1])))
    assert "kept most" in made
    assert made.count('class="chart" role="figure" aria-label=') == 4 + 2
    assert "Losses: Replay λ 0.5, seed 0" in made
    assert "Held out, nats per token: bread 3.00, tea 2.00." in made
    assert "<script>alert(1)" not in made
    assert "replay_weight" in made


def test_the_report_names_no_place_of_the_machine_that_made_it(store: Store, tmp_path: Path) -> None:
    models = [tmp_path / where / "mine" for where in ("one", "two")]
    for model in models:
        model.mkdir(parents=True)
    ids = [finished(store, tmp_path, name=f"x{i}", model=str(model)) for i, model in enumerate(models)]
    made = report(store, compared(store, *ids)).replace(get_plotlyjs(), "")
    assert str(tmp_path) not in made
    assert ABSOLUTE.findall(made) == []
    assert "the base model is mine (2), not mine." in made  # two folders stay two models
    assert "model: ./mine" in made
    assert "- data/bread/bread.txt" in made


def test_what_looks_for_places_finds_them() -> None:
    assert ABSOLUTE.search("train: /home/me/texts.txt")
    assert ABSOLUTE.search("<td>C:\\texts</td>")
    assert not ABSOLUTE.search("<p>nats/token</p></td></tr>")


def test_one_run_of_each_configuration_is_drawn_the_one_that_went_furthest(store: Store, tmp_path: Path) -> None:
    experiment_id = store.add_experiment(experiment(tmp_path, strategies=["naive"], seeds=[0, 1, 2]))
    for fail_at in (6, None, None):
        run_id = store.claim_next()
        assert run_id is not None
        drive(store, run_id, Control(), FakeRun(fail_at=fail_at, error=MemoryError()))
    (section,) = curve_sections(store, compared(store, experiment_id))
    assert section.title == "Losses: Naive, seed 1"
    assert section.alt.startswith("Losses up to step 8 in 2 stages.")


def test_what_has_not_begun_has_no_curves_and_no_machine(store: Store, tmp_path: Path) -> None:
    comparison = compared(store, store.add_experiment(experiment(tmp_path)))
    assert list(curve_sections(store, comparison)) == []
    assert machine_section(store, comparison).text == "No run has begun."


def test_more_strategies_than_can_be_drawn_are_counted(store: Store, tmp_path: Path) -> None:
    weights = [{"replay": {"replay_weight": round(0.1 * (n + 1), 1)}} for n in range(MOST_CURVES + 2)]
    sections = list(curve_sections(store, compared(store, finished(store, tmp_path, strategies=weights))))
    assert len(sections) == MOST_CURVES
    assert "2 more strategies or settings are not drawn." in sections[-1].text


def test_machines_and_versions_stand_beside_each_other_where_runs_differ_in_them(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    comparison = compared(store, finished(store, tmp_path))
    every = {"device": "cpu (x86_64)", "python": "3.11.9", "torch": "2.9", "transformers": "5.1", "threads": 2,
             "precision": "float32"}  # fmt: skip
    first, second = comparison.runs["run_id"]
    environments = {first: every, second: every}
    monkeypatch.setattr(store, "environments", lambda run_ids: environments)
    table = machine_section(store, comparison).table
    assert isinstance(table, pd.DataFrame)
    facts = dict(zip(table[""], table["Trained with"], strict=True))
    assert [facts[name] for name in ("Device", "Python", "PyTorch", "Transformers", "Threads", "Precision")] == [
        "cpu (x86_64)", "3.11.9", "2.9", "5.1", "2", "float32",
    ]  # fmt: skip
    environments[second] = every | {"torch": "2.8"}
    table = machine_section(store, comparison).table
    assert isinstance(table, pd.DataFrame)
    row = table.set_index("").loc["PyTorch"]
    assert row.to_dict() == {"Trained with (1)": "2.9", "Trained with (2)": "2.8"}
    environments |= {first: every | {"node": "a"}, second: every | {"node": "b"}}
    table = machine_section(store, comparison).table
    assert isinstance(table, pd.DataFrame)
    assert table.set_index("").loc["Node"].to_dict() == {"Trained with": "a, b"}, "like machines are one column"


def test_a_model_of_the_hub_keeps_its_name(store: Store, tmp_path: Path) -> None:
    comparison = compared(store, finished(store, tmp_path, model="gpt2"))
    assert [each.model for each in without_places(comparison).experiments.values()] == ["gpt2"]
