"""The figures and words that pages show of runs, as the widgets of `ui/widgets` take them."""

from typing import Any

from engine.results.clipping_words import in_words
from figures.curves import cell_figure
from ui.api.request_errors import RequestError
from ui.api.sources import Sources, Values
from ui.live import data
from ui.live.beside import general_words
from ui.live.feed import ENDED
from ui.live.glance import rail_of, status_of
from ui.server.tab_title import going_word
from ui.widgets.live_chart import Drawn, drawn


def losses(sources: Sources, values: Values) -> dict[str, Any]:
    """The losses over steps: the figure, or for who has it what has come since."""
    run = sources.state(values["run_id"])
    followed = sources.followed(run)
    growing = sources.feed.losses(run, followed.tasks, values["score"])
    clipped = [in_words(followed.clipping)] if followed.clipping else []
    remarks = [
        f"Stage {stage.stage}: {remark}" for stage in followed.stages.itertuples() for remark in stage.remarks
    ]  # fmt: skip
    known = {
        "base": growing.base, "newest_step": growing.newest, "tail": growing.tail, "notes": clipped + remarks,
        "may_change": _may_change(run),
    }  # fmt: skip
    return known if values["base"] == growing.base else known | _figure(growing.drawn)


def matrix(sources: Sources, values: Values) -> dict[str, Any]:
    """The score matrix."""
    run = sources.state(values["run_id"])
    followed = sources.followed(run)
    picture = sources.feed.matrix(run, followed.tasks, values["score"])
    words = general_words(followed.general, values["score"])
    return _figure(picture) | {"notes": [words] if words else [], "may_change": _may_change(run)}


def cell(sources: Sources, values: Values) -> dict[str, Any]:
    """The held-out curve behind one cell of the matrix."""
    run = sources.state(values["run_id"])
    followed = sources.followed(run)
    tasks, task, stage = followed.tasks, values["task"], values["stage"]
    if task not in tasks or stage > len(tasks):
        raise RequestError(404, f"There is no cell of stage {stage} and task {task!r} in this matrix.")
    figure = cell_figure(followed.curve_of(values["score"]), tasks, stage, task, values["score"])
    return _figure(drawn(figure)) | {"may_change": _may_change(run)}


def glance(sources: Sources, values: Values) -> dict[str, Any]:
    """How far a run and its experiment are, in words, and the word for what their page is made of."""
    run = sources.run(values["run_id"])
    runs = sources.feed.runs(str(run["experiment_id"]))
    followed, trouble = sources.followed(run), sources.trouble()
    return {
        "may_change": data.is_active(runs) or bool(trouble),
        "structure": data.structure(runs, followed, trouble, sources.feed.queue()),
        "status": status_of(run, runs, followed.tasks),
        "runs": rail_of(runs),
    }


def _may_change(run: Any) -> bool:
    return run["status"] not in ENDED


def going(sources: Sources, _: Values) -> dict[str, Any]:
    """The word for the runs that have not ended."""
    return {"structure": going_word(sources.store)}


def _figure(shown: Drawn) -> dict[str, Any]:
    return {"figure": shown.figure, "alt": shown.alt}
