"""What models can do: intervals, tests against the base model, and the probes of a run in a frame and in a command."""

import json
from math import sqrt
from pathlib import Path
from typing import Any

import pytest
from scipy.stats import binomtest, norm

from engine.common.errors import ConfigError
from engine.insight import abilities as module
from engine.insight import frames
from engine.insight.abilities import abilities, shared_bases, wilson
from engine.insight.measures import probe_scores
from engine.insight.measures.probe_items import items_of
from engine.insight.measures.probe_scores import Probed, choice_nats
from engine.insight.measures.probes import PROBES
from engine.insight.requests import ProbesRequest, Source
from engine.insight.telling import Told
from engine.models.loading import load_base
from tests.running.test_cli import call

BASE, ONE, TWO = Source("r", 0), Source("r", 1), Source("r", 2)
FEW = 4


def probed(right: int, of: int = 200, written: int | None = None) -> Probed:
    return Probed(
        tuple(place < right for place in range(of)),
        None if written is None else tuple(place < written for place in range(of)),
    )


@pytest.mark.parametrize(("right", "items"), [(0, 200), (50, 200), (123, 200), (200, 200)])
def test_intervals_are_wilsons(right: int, items: int) -> None:
    """(p + z²/2n ± z √(p(1 − p)/n + z²/4n²)) / (1 + z²/n), with z the 97.5% point of the normal distribution."""
    z, share = float(norm.ppf(0.975)), right / items
    middle, half = share + z * z / 2 / items, z * sqrt(share * (1 - share) / items + z * z / 4 / items**2)
    expected = [(middle + sign * half) / (1 + z * z / items) for sign in (-1, 1)]
    assert wilson(right, items) == pytest.approx(expected, abs=1e-9)


def test_a_drop_is_established_by_mcnemars_p_times_the_number_of_comparisons() -> None:
    found = {
        BASE: {"arithmetic": probed(100, written=20), "agreement": probed(150)},
        ONE: {"arithmetic": probed(92, written=0), "agreement": probed(110)},
        TWO: {"arithmetic": probed(108, written=20), "agreement": probed(190)},
    }
    rows = abilities(found, dict.fromkeys(found, BASE))
    by_place = {(row.stage, row.probe): row for row in rows}
    assert [(row.lost, row.p, row.corrected_p, row.change) for row in rows if row.stage == 0] == [
        (None,) * 3 + ("",)
    ] * 2
    first = by_place[1, "arithmetic"]
    assert (first.lost, first.gained) == (8, 0)
    assert first.p == pytest.approx(2 * 0.5**8)
    assert first.corrected_p == pytest.approx(2 * 2 * 0.5**8)  # the third and fourth smallest of four
    assert first.change == "fell"
    assert by_place[1, "agreement"].corrected_p == pytest.approx(4 * binomtest(0, 40).pvalue)
    assert (by_place[1, "agreement"].change, by_place[2, "agreement"].change) == ("fell", "rose")
    assert by_place[2, "arithmetic"].change == "rose"
    assert (first.share, first.written, first.chance) == (0.46, 0.0, 0.25)
    assert by_place[1, "agreement"].written is None


def test_what_a_single_comparison_would_call_a_drop_may_be_chance_among_many() -> None:
    """2 · ½⁶ = 0.031 of one comparison is 0.125 of the four smallest."""
    found = {source: {"arithmetic": probed(100 - 6 * (source != BASE))} for source in (BASE, ONE, TWO)}
    alone = abilities({BASE: found[BASE], ONE: found[ONE]}, {BASE: BASE, ONE: BASE})
    together = abilities(found, dict.fromkeys(found, BASE))
    assert [row.change for row in alone] == ["", "fell"]
    assert [row.change for row in together] == ["", "", ""]


def test_a_share_whose_interval_holds_chance_is_no_better_than_guessing() -> None:
    rows = {right: abilities({BASE: {"look-up": probed(right)}}, {BASE: BASE})[0] for right in (30, 50, 62, 63, 90)}
    assert {right: row.is_at_chance for right, row in rows.items()} == {
        30: True, 50: True, 62: True, 63: False, 90: False
    }  # fmt: skip


def test_runs_of_one_base_model_share_its_rows_and_those_that_are_asked_for_come_first() -> None:
    one, other, base = Source("a", 1), Source("b", 2), Source("b", 0)
    assert shared_bases({one: "x", other: "x"}) == {one: Source("a", 0), other: Source("a", 0)}
    assert shared_bases({one: "x", base: "x", other: "x"}) == dict.fromkeys((one, base, other), base)
    assert shared_bases({one: "x", other: "y"}) == {one: Source("a", 0), other: Source("b", 0)}


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first items of each probe alone."""
    for each in (module, probe_scores):
        monkeypatch.setattr(each, "items_of", lambda probe: items_of(probe)[:FEW])


@pytest.mark.usefixtures("few")
def test_base_model_and_every_stage_are_held_against_every_probe(results: Path) -> None:
    told: list[Told] = []
    found = frames.probes(results, tell=told.append)
    assert found[["stage", "probe"]].values.tolist() == [[stage, probe.name] for stage in range(3) for probe in PROBES]
    assert set(found["items"]) == {FEW}
    base = load_base("tiny-gpt2")
    for probe, right in zip(PROBES, found[found["stage"] == 0]["right"], strict=True):
        items = items_of(probe)[:FEW]
        nats = choice_nats(base, probe, items)
        assert right == sum(int(each.argmin()) == item.right for each, item in zip(nats, items, strict=True))
    assert [each.done for each in told] == sorted(each.done for each in told)
    assert told[-1].done <= told[-1].of
    so_far: list[dict[str, Any]] = told[-1].so_far() if told[-1].so_far is not None else []
    assert {row["change"] for row in so_far} == {""}


@pytest.mark.usefixtures("few")
def test_what_was_worked_out_is_kept_and_a_stop_leaves_it(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frames.probes(results)
    monkeypatch.setattr(module, "probed", None)  # which nobody may call
    assert len(frames.probes(results, "naive")) == 3 * len(PROBES)


@pytest.mark.usefixtures("few")
def test_the_command_line_prints_a_table_or_json(results: Path) -> None:
    code, out, _ = call("understand", str(results), "--probes", "--json")
    rows = json.loads(out)
    assert (code, len(rows)) == (0, 3 * len(PROBES))
    assert {"run_id", "stage", "probe", "share", "low", "high", "chance", "corrected_p", "change"} <= set(rows[0])
    code, out, _ = call("understand", str(results), "--probes")
    assert code == 0
    assert "naive, seed 3" in out
    assert [line.split("(")[0].strip() for line in out.splitlines() if "(chance" in line] == [p.name for p in PROBES]
    assert "agreement (chance 50" in out


def test_options_that_do_not_belong_together_are_refused(results: Path) -> None:
    for options, words in (
        (["--probes", "--prompt", "a"], "ask nothing of prompts"),
        (["--probes", "--before", "0"], "ask nothing of prompts"),
        (["--probes", "--stage", "1"], "looks at every stage"),
        (["--stage", "1"], "there is neither"),
    ):
        code, out, err = call("understand", str(results), *options)
        assert (code, out) == (1, "")
        assert words in err


def test_too_many_models_are_refused() -> None:
    with pytest.raises(ConfigError, match="201 models are asked for; 1 to 200 can be"):
        module.check_probed(ProbesRequest(tuple(Source("r", stage) for stage in range(201))))
