import numpy as np
import pytest

from figures.curves import cell_figure, forgetting_onsets, loss_figure, smoothing_window
from figures.lines import lines_of
from figures.theme import alt_text
from tests.figures import frames
from tests.figures.frames import TASKS

FORGOTTEN = {
    "bread": [(0, 0, 4.0), (1, 5, 3.0), (1, 10, 2.0), (2, 13, 2.015), (2, 16, 2.3), (2, 20, 2.5)],
    "tea": [(0, 0, 4.0), (1, 10, 4.1), (2, 20, 2.0)],
    "soup": [(0, 0, 4.0), (1, 10, 4.0), (2, 20, 4.0)],
}


def figure(**changes: object):
    arguments = {
        "losses": frames.losses(20), "curve": frames.curve(FORGOTTEN), "stages": frames.stages(10, 20), "tasks": TASKS,
    } | changes  # fmt: skip
    return loss_figure(lines_of(arguments.pop("losses")), **arguments)


def named(drawn, uid: str):
    return next(trace for trace in drawn.data if trace.uid == uid)


WORSE = (("bread", 16, 0.3), ("bread", 20, 0.5))


def test_forgetting_begins_at_the_first_look_that_is_worse_beyond_its_error() -> None:
    (onset,) = forgetting_onsets(frames.curve(FORGOTTEN, worse=WORSE), TASKS)
    assert (onset.task, onset.stage, onset.step) == ("bread", 2, 16)
    assert (onset.worse_by, onset.half_width) == (0.3, 0.1)


def test_a_rise_within_its_error_is_not_forgetting() -> None:
    assert forgetting_onsets(frames.curve(FORGOTTEN), TASKS) == []


def test_a_curve_stands_in_its_interval_and_says_it() -> None:
    drawn = figure()
    band, line = named(drawn, "interval-bread"), named(drawn, "held-out-bread")
    count = len(line.x)
    assert list(band.x[:count]) == list(line.x) == list(band.x[count:])[::-1]
    assert list(band.y[:count]) == pytest.approx([y + 0.1 for y in line.y])
    assert list(band.y[count:])[::-1] == pytest.approx([y - 0.1 for y in line.y])
    assert band.legendgroup == line.legendgroup
    assert "3.000 nats per token<br>95% interval 2.900 to 3.100" in line.hovertext[1]
    assert "interval" not in named(figure(curve=frames.curve(FORGOTTEN, half=0.0)), "held-out-bread").hovertext[1]


def test_no_line_leads_through_looks_at_which_a_task_was_not_scored() -> None:
    line = named(figure(), "held-out-tea")
    seen = [(x, y) for x, y in zip(line.x, line.y, strict=True) if y == y]
    assert seen == [(0, 4.0), (10, 4.1), (20, 2.0)]
    assert [x for x, y in zip(line.x, line.y, strict=True) if y != y] == [5, 13, 16]
    assert not any(y != y for y in named(figure(), "held-out-bread").y)
    assert all(np.isfinite(named(figure(), "interval-tea").y))


def test_a_curve_without_an_error_has_no_band() -> None:
    assert len(named(figure(curve=frames.curve(FORGOTTEN, half=float("nan"))), "interval-bread").x) == 0


def test_of_a_run_that_ended_no_points_are_promised() -> None:
    drawn = figure(losses=frames.losses(0), curve=frames.curve({}), ended=True)
    assert "there are no points" in drawn.layout.annotations[0].text


def test_the_onset_is_marked_on_its_task_s_own_curve() -> None:
    drawn = figure(curve=frames.curve(FORGOTTEN, worse=WORSE))
    marks = named(drawn, "onset")
    assert list(marks.x) == [16]
    assert list(marks.y) == [2.3]
    assert "bread" in marks.hovertext[0]
    assert "worse by 0.300 ± 0.100 nats per token" in marks.hovertext[0]
    assert "step 16" in alt_text(drawn)


def test_every_task_has_a_dashed_curve_over_the_solid_training_terms() -> None:
    drawn = figure()
    assert named(drawn, "new").line.dash == "solid"
    assert {named(drawn, f"held-out-{task}").line.dash for task in TASKS} == {"dash"}
    assert {named(drawn, f"held-out-{task}").yaxis for task in TASKS} == {"y"}


def test_another_score_has_a_panel_of_its_own_below_the_losses() -> None:
    drawn = figure(score="accuracy")
    assert named(drawn, "held-out-bread").yaxis == "y2"
    assert drawn.layout.yaxis2.title.text == "accuracy"
    assert drawn.layout.yaxis.domain[0] > drawn.layout.yaxis2.domain[1]


def test_an_expected_penalty_has_its_panel_before_its_first_point() -> None:
    drawn = figure(terms=["new", "penalty"])
    assert drawn.layout.yaxis2.title.text == "penalty"


def test_axes_name_their_units_and_span_the_whole_plan_from_the_start() -> None:
    drawn = figure(steps=40)
    assert drawn.layout.yaxis.title.text == "nats per token"
    assert drawn.layout.xaxis.title.text == "optimiser step"
    assert drawn.layout.xaxis.range[1] > 40


def test_stages_are_shaded_in_turn_and_named() -> None:
    drawn = figure()
    assert [(shape.x0, shape.x1) for shape in drawn.layout.shapes] == [(0.5, 10.5)]
    assert [note.text for note in drawn.layout.annotations] == ["1 · bread", "2 · tea"]


def test_the_name_of_a_short_stage_is_broken_into_lines() -> None:
    named = frames.stages(10, 40).replace({"task": {"bread": "fresh bread", "tea": "cups of tea"}})
    notes = [note.text for note in figure(stages=named).layout.annotations]
    assert notes == ["1 · fresh bread", "2 · cups of tea"]
    notes = [note.text for note in figure(stages=named, steps=80).layout.annotations]
    assert notes == ["1 · fresh<br>bread", "2 · cups of tea"]


def test_traces_keep_their_identity_while_a_run_goes_on() -> None:
    early = figure(losses=frames.losses(3), curve=frames.curve({}), stages=frames.stages(10))
    assert [trace.uid for trace in early.data] == [trace.uid for trace in figure().data]


def test_short_runs_are_drawn_as_measured_and_long_ones_say_what_they_average() -> None:
    assert named(figure(), "new").name == "new task, training"
    drawn = figure(losses=frames.losses(400))
    assert smoothing_window(400) == 10
    assert named(drawn, "new").name == "new task, training (mean of 10 steps)"
    assert named(drawn, "new").y[9] == pytest.approx(np.mean(1 / np.arange(1, 11)))
    assert named(drawn, "new-raw").y[9] == pytest.approx(1 / 10)


def test_smoothing_never_reaches_into_the_stage_before() -> None:
    first, second = frames.losses(200), frames.losses(200, stage=2, first=201)
    second["nats_per_token"] = 7.0
    drawn = figure(losses=frames.pd.concat([first, second], ignore_index=True))
    assert named(drawn, "new").y[200] == pytest.approx(7.0)


def test_before_the_first_point_the_figure_says_what_it_waits_for() -> None:
    drawn = figure(losses=frames.losses(0), curve=frames.curve({}))
    assert "first training step" in drawn.layout.annotations[0].text


def test_a_cell_shows_its_task_inside_its_stage_against_base_and_own_stage() -> None:
    drawn = cell_figure(frames.curve(FORGOTTEN), TASKS, 2, "bread", "nats_per_token")
    assert list(named(drawn, "held-out-bread").x) == [10, 13, 16, 20]
    assert [shape.y0 for shape in drawn.layout.shapes] == [4.0, 2.0]
    assert "from 2.000 to 2.500" in alt_text(drawn)


def test_the_general_text_has_a_line_and_the_divergence_a_panel_of_its_own() -> None:
    general = frames.curve({"": [(0, 0, 3.0), (1, 5, 3.2), (1, 10, 3.1)]}).assign(drift=[0.0, 0.4, 0.5])
    drawn = figure(general=general.drop(columns=["task"]))
    line, drift = named(drawn, "general"), named(drawn, "drift")
    assert (list(line.y), list(drift.y)) == ([3.0, 3.2, 3.1], [0.0, 0.4, 0.5])
    assert line.yaxis != drift.yaxis
    assert line.line.dash == "dot"
    other = figure(general=general[["stage", "step", "drift"]], score="bits_per_byte")
    assert [trace.uid for trace in other.data].count("drift") == 1
    assert "general" not in [trace.uid for trace in other.data], "it has no such score"
    assert "drift" not in [trace.uid for trace in figure().data]
