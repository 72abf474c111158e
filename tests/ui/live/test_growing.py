"""When a figure is drawn anew, and what names it."""

import numpy as np

from figures.lines import Line
from ui.live.growing import Growing
from ui.widgets.live_chart import Drawn

DRAWN = Drawn("{}", "")


def lines(steps: int) -> dict[str, Line]:
    return {"new": Line(np.ones(steps, np.int64), np.arange(1, steps + 1), np.ones(steps))}


def test_a_figure_without_a_step_is_outgrown_by_the_first() -> None:
    assert Growing.begun(("run",), DRAWN, {}).is_outgrown(lines(1))
    assert not Growing.begun(("run",), DRAWN, {}).is_outgrown({})


def test_a_figure_grows_to_its_limit_and_is_drawn_anew_beyond_it_or_where_steps_are_gone() -> None:
    begun = Growing.begun(("run",), DRAWN, lines(100))
    assert not begun.is_outgrown(lines(140))
    assert begun.is_outgrown(lines(141))
    assert begun.is_outgrown(lines(99))
    grown = begun.grown(lines(120)).grown(lines(140))
    assert (grown.base, grown.drawn_to, grown.newest) == (begun.base, 100, 140)
    assert grown.grown(lines(140)) is grown


def test_another_drawing_has_another_name() -> None:
    names = {Growing.begun((run,), DRAWN, lines(steps)).base for run in ("a", "b") for steps in (1, 2)}
    assert len(names) == 4
