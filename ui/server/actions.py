"""Every change that a visitor can make to what the server has: allowed, refused and logged in one place."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from ui.server import entrance, session

if TYPE_CHECKING:  # a page waits for what it uses alone
    from engine.experiments.experiment import Experiment
    from engine.guards.guard import Guard
    from engine.guards.guard_sets import GuardSet
    from engine.harness.kept_results import Kept
    from engine.insight.prompt_sets import PromptSet
    from engine.insight.requests import Request, Source
    from engine.persistence.shared_results import SharedResults
    from engine.tasks.documents import Task
    from engine.tasks.library import LibraryTask

_Given = ParamSpec("_Given")
_Result = TypeVar("_Result")


def _change(words: str) -> Callable[[Callable[_Given, _Result]], Callable[_Given, _Result]]:
    """Raise AccessError for those who may not change things; log `words`, about the arguments or `result`."""

    def guard(action: Callable[_Given, _Result]) -> Callable[_Given, _Result]:
        @wraps(action)
        def guarded(*args: _Given.args, **kwargs: _Given.kwargs) -> _Result:
            name = entrance.require_change()
            result = action(*args, **kwargs)
            entrance.LOG.info("%s %s", name, words.format(*args, result=result))
            return result

        return guarded

    return guard


@_change("started experiment {result}")
def start(experiment: Experiment, expected: Mapping[str, float] | None = None) -> str:
    """Queue all runs of an experiment, `expected` to take so many seconds by label; gives its id. Raises
    PalimpsestError."""
    experiment_id = session.store().add_experiment(experiment, expected)
    session.runner()
    return experiment_id


@_change("continued experiment {0} as {result}")
def continue_experiment(experiment_id: str, experiment: Experiment) -> str:
    """Queue an experiment that continues another one, whose stages its runs begin with; gives its id. Raises
    PalimpsestError."""
    from engine.running.continuing import start_continuation  # loads torch

    continued_id = start_continuation(session.store(), experiment_id, experiment)
    session.runner()
    return continued_id


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


@_change("added task {result.task_id}")
def add_task(task: Task, sources: Sequence[str], rendering: Mapping[str, str] | None = None) -> LibraryTask:
    """Put a task into the library. Raises PalimpsestError."""
    return session.library().add(task, sources, rendering)


@_change("moved task {0}")
def move_task(task_id: str, place: int) -> None:
    """Give a task of the library another place. Raises PalimpsestError."""
    session.library().move(task_id, place)


@_change("renamed task {0}")
def rename_task(task_id: str, name: str) -> None:
    """Give a task of the library another name. Raises PalimpsestError."""
    session.library().rename(task_id, name)


@_change("deleted task {0}")
def delete_task(task_id: str, keep_files: bool) -> None:
    """Take a task out of the library. Raises PalimpsestError."""
    session.library().delete(task_id, keep_files=keep_files)


@_change("deleted what runs have in common")
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


@_change("deleted prompts {0}")
def delete_prompts(set_id: str) -> None:
    """Delete a set of prompts. Raises PalimpsestError."""
    session.prompt_sets().delete(set_id)


@_change("kept results of lm-evaluation-harness {result.kept_id} with run {0.run_id}")
def keep_harness(source: Source, name: str, data: bytes) -> Kept:
    """Read a results file of lm-evaluation-harness and keep it with a run's stage. Raises PalimpsestError."""
    from engine.insight.harness_evaluations import keep_file

    return keep_file(session.store(), source, name, data)


@_change("deleted results of lm-evaluation-harness {1} of run {0}")
def delete_harness(run_id: str, kept_id: str) -> None:
    """Delete a kept results file. Raises PalimpsestError."""
    from engine.insight.harness_evaluations import delete_file

    delete_file(session.store(), run_id, kept_id)


@_change("kept guards {result.set_id}")
def keep_guards(name: str, guards: Sequence[Guard]) -> GuardSet:
    """Keep guards under a name. Raises PalimpsestError."""
    return session.guard_sets().keep(name, guards)


@_change("renamed guards {0}")
def rename_guards(set_id: str, name: str) -> None:
    """Give a set of guards another name. Raises PalimpsestError."""
    session.guard_sets().rename(set_id, name)


@_change("deleted guards {0}")
def delete_guards(set_id: str) -> None:
    """Delete a set of guards. Raises PalimpsestError."""
    session.guard_sets().delete(set_id)


@_change("deleted kept scores and answers")
def clear_kept_results() -> None:
    """Delete the scores and answers of models that were kept."""
    session.desk().forget()
    session.kept_results().clear()
