"""Every change that a visitor can make to what the server has: allowed, refused and logged in one place."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from ui.server import entrance, session

if TYPE_CHECKING:  # a page waits for what it uses alone
    from engine.experiments.experiment import Experiment
    from engine.experiments.kept_checkpoints import Keep
    from engine.experiments.origin import Origin
    from engine.guards.guard import Guard
    from engine.guards.guard_sets import GuardSet
    from engine.harness.kept_results import Kept
    from engine.housekeeping import Chosen, Thing
    from engine.insight.prompt_sets import PromptSet
    from engine.insight.requests import Request, Source
    from engine.persistence.shared_results import SharedResults
    from engine.tasks.documents import Task
    from engine.tasks.library import LibraryTask

_Given = ParamSpec("_Given")
_Result = TypeVar("_Result")


def _change(
    words: str, kept: str = "", things: Callable[..., Sequence[Thing]] | None = None
) -> Callable[[Callable[_Given, _Result]], Callable[_Given, _Result]]:
    """Raise AccessError for those who may not change things; log `words`, about the arguments or `result`. With `kept`,
    the store's log of changes says that it was done to these `things`, by the names that they had before."""

    def guard(action: Callable[_Given, _Result]) -> Callable[_Given, _Result]:
        @wraps(action)
        def guarded(*args: _Given.args, **kwargs: _Given.kwargs) -> _Result:
            name = entrance.require_change()
            changed = things(*args, **kwargs) if things is not None else ()
            result = action(*args, **kwargs)
            entrance.LOG.info("%s %s", name, words.format(*args, result=result))
            if changed:
                from engine.housekeeping import changes

                changes.record(session.store(), entrance.visitor_id(), kept.format(*args), changed)
            return result

        return guarded

    return guard


def _thing(kind: str, about: str, name: str) -> list[Thing]:
    from engine.housekeeping import Thing

    return [Thing(kind, about, name)]


def _named(chosen: Chosen) -> list[Thing]:
    from engine.housekeeping import labels

    return labels.named(session.store(), chosen)


@_change("started experiment {result}")
def start(experiment: Experiment, expected: Mapping[str, float] | None = None, origin: Origin | None = None) -> str:
    """Queue all runs of an experiment, `expected` to take so many seconds by label; gives its id. `origin` says what it
    was made from. Raises PalimpsestError."""
    from engine.housekeeping.differences import with_changes

    owner = entrance.visitor_id()
    if origin is not None:
        origin = with_changes(session.store(), origin, experiment)
    experiment_id = session.store().add_experiment(experiment, expected, owner=owner, origin=origin)
    session.runner()
    return experiment_id


@_change("continued experiment {0} as {result}")
def continue_experiment(experiment_id: str, experiment: Experiment) -> str:
    """Queue an experiment that continues another one, whose stages its runs begin with; gives its id. Raises
    PalimpsestError."""
    from engine.running.continuing import start_continuation  # loads torch

    continued_id = start_continuation(session.store(), experiment_id, experiment, entrance.visitor_id())
    session.runner()
    return continued_id


def keep_draft(page: str, content: dict[str, Any]) -> float | None:
    """Keep what a visitor has entered on a page, where the server may; returns when it was kept. It comes with every
    field and is not logged. Raises PalimpsestError."""
    owner = entrance.draft_owner()
    return None if owner is None else session.store().keep_draft(owner, page, content)


def forget_draft(page: str) -> None:
    """Delete what a visitor has entered on a page. Raises PalimpsestError."""
    owner = entrance.draft_owner()
    if owner is not None:
        session.store().forget_draft(owner, page)


@_change("paused run {0}")
def pause(run_id: str) -> None:
    """Hold a run after the current step. Raises PalimpsestError."""
    session.runner().request(run_id, "pause")


@_change("resumed run {0}")
def resume(run_id: str) -> None:
    """Let a paused run go on, or put one that ended early into the queue again. Raises PalimpsestError."""
    session.runner().resume(run_id)


@_change("stopped run {0}")
def stop(run_id: str) -> None:
    """End a run, or take it out of the queue. Raises PalimpsestError."""
    session.runner().request(run_id, "stop")


@_change("put run {0} before all others in the queue")
def run_next(run_id: str) -> None:
    """Let a waiting run begin before all others. Raises PalimpsestError."""
    session.store().run_next(run_id)
    session.runner().wake()


@_change("moved run {0} by {1} in the queue")
def move_in_queue(run_id: str, by: int) -> None:
    """Let a waiting run begin so many places later, or earlier. Raises PalimpsestError."""
    session.store().move_in_queue(run_id, by)


@_change(
    "kept checkpoints '{1}' of runs {0}, which freed {result} bytes", "deleted checkpoints but “{1}”",
    lambda run_ids, keep: _named(_runs(*run_ids)),
)  # fmt: skip
def keep_checkpoints(run_ids: Sequence[str], keep: Keep) -> int:
    """Keep no more checkpoints than `keep` says of the runs among these that have finished; gives the bytes that
    became free. What goes does not come back. Raises PalimpsestError."""
    from engine.driving.thinning import thin

    return thin(session.store(), run_ids, keep)


@_change("added task {result.task_id}")
def add_task(task: Task, sources: Sequence[str], rendering: Mapping[str, str] | None = None) -> LibraryTask:
    """Put a task into the library. Raises PalimpsestError."""
    return session.library().add(task, sources, rendering)


def _task(task_id: str) -> list[Thing]:
    return _thing("task", task_id, session.library().get(task_id).name)


@_change("moved task {0}")
def move_task(task_id: str, place: int) -> None:
    """Give a task of the library another place. Raises PalimpsestError."""
    session.library().move(task_id, place)


@_change("renamed task {0}", "renamed to “{1}”", lambda task_id, name: _task(task_id))
def rename_task(task_id: str, name: str) -> None:
    """Give a task of the library another name. Raises PalimpsestError."""
    session.library().rename(task_id, name)


@_change("deleted task {0}", "deleted", lambda task_id, keep_files: _task(task_id))
def delete_task(task_id: str, keep_files: bool) -> None:
    """Take a task out of the library. Raises PalimpsestError."""
    session.library().delete(task_id, keep_files=keep_files)


@_change(
    "deleted what runs have in common", "deleted",
    lambda shared: _thing("results for later runs", "shared", "trained stages and encoded texts"),
)  # fmt: skip
def forget_shared(shared: SharedResults) -> None:
    """Delete the trained stages and encoded texts that later runs could take over."""
    shared.clear()


@_change("asked models ({0.__class__.__name__})")
def ask(request: Request) -> None:
    """Have a request to models computed. Raises PalimpsestError."""
    session.desk().ask(request)


@_change("stopped what was asked ({0.__class__.__name__})")
def stop_asking(request: Request) -> None:
    """End a request to models."""
    session.desk().stop(request)


@_change("asked prompts {result}")
def note_prompts(prompts: Sequence[str]) -> str:
    """Keep prompts that are asked, so that an address finds them again by the key. Raises PalimpsestError."""
    return session.prompt_sets().note(prompts)


@_change("kept prompts {result.set_id}")
def keep_prompts(name: str, prompts: Sequence[str]) -> PromptSet:
    """Keep prompts under a name. Raises PalimpsestError."""
    return session.prompt_sets().keep(name, prompts)


def _prompts(set_id: str) -> list[Thing]:
    name = next((each.name for each in session.prompt_sets().sets() if each.set_id == set_id), set_id)
    return _thing("prompts", set_id, name)


@_change("deleted prompts {0}", "deleted", _prompts)
def delete_prompts(set_id: str) -> None:
    """Delete a set of prompts. Raises PalimpsestError."""
    session.prompt_sets().delete(set_id)


@_change("kept results of lm-evaluation-harness {result.kept_id} with run {0.run_id}")
def keep_harness(source: Source, name: str, data: bytes) -> Kept:
    """Read a results file of lm-evaluation-harness and keep it with a run's stage. Raises PalimpsestError."""
    from engine.insight.harness_evaluations import keep_file

    return keep_file(session.store(), source, name, data)


@_change(
    "deleted results of lm-evaluation-harness {1} of run {0}", "deleted",
    lambda run_id, kept_id: _thing("results of lm-evaluation-harness", kept_id, f"of run {run_id}"),
)  # fmt: skip
def delete_harness(run_id: str, kept_id: str) -> None:
    """Delete a kept results file. Raises PalimpsestError."""
    from engine.insight.harness_evaluations import delete_file

    delete_file(session.store(), run_id, kept_id)


@_change("kept guards {result.set_id}")
def keep_guards(name: str, guards: Sequence[Guard]) -> GuardSet:
    """Keep guards under a name. Raises PalimpsestError."""
    return session.guard_sets().keep(name, guards)


def _guards(set_id: str) -> list[Thing]:
    name = next((each.name for each in session.guard_sets().kept().sets if each.set_id == set_id), set_id)
    return _thing("guards", set_id, name)


@_change("renamed guards {0}", "renamed to “{1}”", lambda set_id, name: _guards(set_id))
def rename_guards(set_id: str, name: str) -> None:
    """Give a set of guards another name. Raises PalimpsestError."""
    session.guard_sets().rename(set_id, name)


@_change("deleted guards {0}", "deleted", _guards)
def delete_guards(set_id: str) -> None:
    """Delete a set of guards. Raises PalimpsestError."""
    session.guard_sets().delete(set_id)


@_change("deleted kept scores and answers", "deleted", lambda: _thing("answers", "insight", "kept scores and answers"))
def clear_kept_results() -> None:
    """Delete the scores and answers of models that were kept."""
    session.desk().forget()
    session.kept_results().clear()


@_change("renamed experiment {0}", "renamed to “{1}”", lambda experiment_id, name: _named(_experiment(experiment_id)))
def rename_experiment(experiment_id: str, name: str) -> None:
    """Give an experiment another name. Raises PalimpsestError."""
    session.store().rename(experiment_id, name)


@_change("named run {0}", "renamed to “{1}”", lambda run_id, title: _named(_runs(run_id)))
def name_run(run_id: str, title: str) -> None:
    """Give a run a name of its own, or take it away. Raises PalimpsestError."""
    from engine.housekeeping import labels

    labels.set_title(session.store(), run_id, title)


@_change("tagged {0}", "changed the tags", lambda chosen, add, remove: _named(chosen))
def change_tags(chosen: Chosen, add: Sequence[str], remove: Sequence[str]) -> None:
    """Give experiments and runs tags, and take some away. Raises PalimpsestError."""
    from engine.housekeeping import labels

    labels.change_tags(session.store(), chosen, add, remove)


@_change("wrote notes of {0}", "changed the notes", lambda chosen, notes: _named(chosen))
def set_notes(chosen: Chosen, notes: str) -> None:
    """Write the notes of experiments and runs. Raises PalimpsestError."""
    from engine.housekeeping import labels

    labels.set_notes(session.store(), chosen, notes)


@_change("archived {0}", "archived", lambda chosen: _named(chosen))
def archive(chosen: Chosen) -> None:
    """Put experiments and runs away. Raises PalimpsestError."""
    from engine.housekeeping import labels

    labels.set_archived(session.store(), chosen, archived=True)


@_change("took {0} out of the archive", "taken out of the archive", lambda chosen: _named(chosen))
def unarchive(chosen: Chosen) -> None:
    """Take experiments and runs out of the archive. Raises PalimpsestError."""
    from engine.housekeeping import labels

    labels.set_archived(session.store(), chosen, archived=False)


@_change("moved {0} to the bin", "moved to the bin", lambda chosen: _named(chosen))
def move_to_bin(chosen: Chosen) -> None:
    """Move experiments and runs to the bin; a run that waits leaves the queue. Raises PalimpsestError."""
    from engine.housekeeping import wastebin

    wastebin.put(session.store(), chosen)


@_change("restored {0}", "restored", lambda chosen: _named(chosen))
def restore(chosen: Chosen) -> None:
    """Take experiments and runs out of the bin. Raises PalimpsestError."""
    from engine.housekeeping import wastebin

    wastebin.restore(session.store(), chosen)


@_change("emptied the bin, which freed {result} bytes")
def empty_bin() -> int:
    """Remove what is in the bin for good, which the log of changes says; gives the bytes that this freed. Raises
    PalimpsestError."""
    from engine.housekeeping import wastebin

    return wastebin.empty(session.store(), entrance.visitor_id())[1]


def _experiment(experiment_id: str) -> Chosen:
    from engine.housekeeping import Chosen

    return Chosen((experiment_id,))


def _runs(*run_ids: str) -> Chosen:
    from engine.housekeeping import Chosen

    return Chosen(runs=run_ids)
