import math

import numpy as np
import pandas as pd
import pytest

from figures.matrix import cell_mark, color_limit, gain_grid, matrix_figure, matrix_pixels, score_grid
from figures.theme import SCORES, alt_text
from tests.figures import frames
from tests.figures.frames import TASKS

HALF = frames.matrix([[4.0, 4.0, 4.0], [2.0, 4.1, 3.9], [3.0, 2.0, 4.0]])


def layer(figure, uid: str):
    return next(trace for trace in figure.data if trace.uid == uid)


def test_rows_are_stages_from_the_base_model_and_unreached_cells_are_empty() -> None:
    grid = score_grid(HALF, TASKS, "nats_per_token")
    assert grid.shape == (4, 3)
    assert grid[2].tolist() == [3.0, 2.0, 4.0]
    assert np.isnan(grid[3]).all()


def test_cells_of_several_runs_are_their_means() -> None:
    both = frames.pd.concat([frames.matrix([[4.0, 4.0, 4.0]]), frames.matrix([[2.0, 4.0, 4.0]], "b")])
    assert score_grid(both, TASKS, "nats_per_token")[0, 0] == pytest.approx(3.0)


@pytest.mark.parametrize("score", list(SCORES))
def test_gain_is_positive_where_the_model_got_better_whatever_the_score(score: str) -> None:
    gain = gain_grid(score_grid(HALF, TASKS, score), SCORES[score])
    assert gain[1, 0] > 0 > gain[1, 1]
    assert (gain[0] == 0).all()


def test_perplexity_is_coloured_by_its_ratio() -> None:
    gain = gain_grid(score_grid(HALF, TASKS, "perplexity"), SCORES["perplexity"])
    assert gain[1, 0] == pytest.approx(2.0)  # ln(e^4 / e^2)


def test_one_limit_holds_several_matrices() -> None:
    assert color_limit([np.array([[0.5, np.nan]]), np.array([[-2.0]])]) == 2.0
    assert color_limit([np.full((2, 2), np.nan)]) > 0


def test_past_tasks_carry_their_change_since_their_own_stage_and_others_do_not() -> None:
    numbers = layer(matrix_figure(HALF, TASKS), "numbers")
    texts = {(y, x): text for x, y, text in zip(numbers.x, numbers.y, numbers.text, strict=True)}
    assert texts[2, 1] == "3.000<br>+1.000"
    assert texts[2, 2] == "2.000"
    assert texts[1, 2] == "4.100"
    assert (3, 1) not in texts


def test_new_tasks_are_outlined() -> None:
    (outline,) = matrix_figure(HALF, TASKS).layout.shapes
    assert outline.path.count("M") == 3


def test_a_click_finds_stage_and_task_and_empty_cells_say_what_they_wait_for() -> None:
    figure = matrix_figure(HALF, TASKS)
    assert layer(figure, "scores").customdata[2][0] == (2, 1) or list(layer(figure, "scores").customdata[2][0]) == [
        2,
        1,
    ]
    assert layer(figure, "scores").hovertext[3][0] == "bread: not scored yet (waits for stage 3)"


def test_hovers_compare_with_the_own_stage_and_the_base_model() -> None:
    hover = layer(matrix_figure(HALF, TASKS), "scores").hovertext[2][0]
    assert "3.000 nats per token · past task" in hover
    assert "+1.000 against its own stage (worse)" in hover
    assert "−1.000 against the base model (better)" in hover
    assert "50 held-out tokens" in hover


def test_the_alternative_text_tells_the_last_row() -> None:
    assert alt_text(matrix_figure(HALF, TASKS)).endswith("after stage 2 of 3: bread 3.000, tea 2.000, soup 4.000.")
    assert "nothing scored yet" in alt_text(matrix_figure(HALF.iloc[:0], TASKS))


def test_an_infinite_perplexity_does_not_break_the_scale() -> None:
    broken = HALF.copy()
    broken.loc[3, "perplexity"] = math.inf
    scores = layer(matrix_figure(broken, TASKS, "perplexity"), "scores")
    assert math.isfinite(scores.zmax)


def general_of(*values: float) -> pd.DataFrame:
    rows = [{"stage": s, "is_whole": True, "step": 10 * s, **frames.scores(v)} for s, v in enumerate(values)]
    return pd.DataFrame([*rows, {"stage": 1, "is_whole": False, "step": 5, **frames.scores(9.0)}])


def test_the_general_text_stands_apart_with_its_change_against_the_base_model() -> None:
    drawn = matrix_figure(HALF, TASKS, general=general_of(3.0, 3.5))
    column, numbers = layer(drawn, "general"), layer(drawn, "general-numbers")
    assert column.x[0] - layer(drawn, "scores").x[-1] > 1
    assert list(numbers.text) == ["3.000", "3.500<br>+0.500"]
    assert list(column.z[:, 0]) == [0.0, pytest.approx(-math.sqrt(0.5 / 3.0))]
    assert column.zmax == layer(drawn, "scores").zmax
    assert not [trace for trace in matrix_figure(HALF, TASKS).data if trace.uid == "general"]
    without = general_of(3.0, 3.5).drop(columns="exact_match")
    assert not [
        trace for trace in matrix_figure(HALF, TASKS, "exact_match", general=without).data if trace.uid == "general"
    ]


def test_marks_of_answers_are_over_questions_and_plain_text_has_none() -> None:
    marked = HALF.assign(questions=[0 if task == "tea" else 40 for task in HALF["task"]])
    marked.loc[marked["task"] == "tea", "exact_match"] = math.nan
    drawn = matrix_figure(marked, TASKS, "exact_match")
    assert layer(drawn, "scores").hovertext[1][0].endswith("over 40 held-out questions")
    assert layer(drawn, "empty").hovertext[2][1].startswith("tea: no held-out question of it is answered")
    assert "waits for stage 3" in layer(drawn, "empty").hovertext[3][0]
    assert matrix_figure(marked, TASKS).data[1].hovertext[1][1].endswith("over 50 held-out tokens")


def test_a_cell_keeps_its_hue_when_others_come() -> None:
    first = layer(matrix_figure(HALF[HALF["stage"] < 2], TASKS), "scores")
    later = layer(matrix_figure(HALF, TASKS), "scores")
    assert (first.zmin, first.zmax) == (later.zmin, later.zmax) == (-1, 1)
    assert np.array_equal(first.z[:2], later.z[:2])
    assert later.showscale
    assert "change from the base model, % of its loss" in later.colorbar.title.text


def test_narrow_cells_leave_out_first_the_change_and_then_digits_and_numbers() -> None:
    def texts(tasks: int) -> set[str]:
        names = [f"task {n}" for n in range(tasks)]
        rows = [
            {"stage": s, "task": name, "task_index": j, "target_tokens": 50, **frames.scores(4.0 - 0.1 * s)}
            for s in range(tasks + 1) for j, name in enumerate(names, 1)
        ]  # fmt: skip
        return set(layer(matrix_figure(pd.DataFrame(rows), names), "numbers").text)

    assert "3.800<br>−0.100" in texts(5)
    assert texts(6) == {f"{4.0 - 0.1 * s:.3f}" for s in range(7)}
    assert "3.80" in texts(12)
    assert texts(13) == {""}


def test_rows_are_as_high_as_the_screen_allows() -> None:
    assert matrix_pixels(3, 600) == 100 + 4 * 58
    assert matrix_pixels(20, 600) == 600


def test_the_mark_of_a_cell_lies_within_it() -> None:
    mark = cell_mark(2, 3)
    assert 2.5 < mark["x0"] < 3 < mark["x1"] < 3.5
    assert 1.5 < mark["y0"] < 2 < mark["y1"] < 2.5
