"""Scores of a run's held-out texts: measured, kept for other runs task by task, and put together again.

What a stage's steps have made does not depend on the texts that it is scored on: so the scores of each task are kept
under a key of their own, and a task that is added later is scored from the checkpoints that are there.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from engine import events
from engine.events.scores import DocumentSums, Score
from engine.models.loading import LoadedModel
from engine.persistence.content_keys import content_key
from engine.persistence.journal import Kept
from engine.training.run_state import EncodedTask, RunSetup
from engine.training.scoring import score, score_sample


def evaluate(
    setup: RunSetup, base: LoadedModel, tasks: Sequence[EncodedTask], stage: int, step: int, whole: bool
) -> events.Evaluated:
    """Score the held-out sample of every one of `tasks`, and all of its held-out text where `whole`."""
    started = setup.control.active_time()
    samples: dict[str, Score] = {}
    wholes: dict[str, Score] = {}
    documents: dict[str, DocumentSums] = {}
    check, packed = setup.control.check, base.packed
    for task in tasks:
        held_out = task.held_out
        samples[task.name], documents[task.name] = score_sample(base.model, held_out, check, packed)
        if whole:
            wholes[task.name] = samples[task.name]
            if held_out.rest is not None:
                wholes[task.name] += score(base.model, held_out.rest, held_out.rest_bytes, check, packed)
    seconds = setup.control.active_time() - started
    return events.Evaluated(stage, step, samples, wholes if whole else None, seconds, documents)


def scores_key(setup: RunSetup, task: EncodedTask, trained: str) -> str:
    """The name of a task's scores inside and after the stage that `trained` names."""
    return content_key(trained, "scores", task.held_out_key, setup.training.evaluations_per_stage)


def keep_scores(setup: RunSetup, trained: str, recorded: Iterable[Kept]) -> None:
    """Keep a stage's scores for other runs, task by task; those of a task that lacks some are not kept."""
    assert setup.shared is not None
    evaluated = [event for event in recorded if isinstance(event, events.Evaluated)]
    for task in setup.tasks:
        if evaluated and all(task.name in event.sample for event in evaluated):
            setup.shared.keep(scores_key(setup, task, trained), [_of_task(event, task.name) for event in evaluated])


def _of_task(event: events.Evaluated, name: str) -> events.Evaluated:
    """The part of an event that is one task's; its time is shared evenly."""
    return replace(
        event,
        sample={name: event.sample[name]},
        whole=None if event.whole is None else {name: event.whole[name]},
        documents=None if event.documents is None else {name: event.documents[name]},
        seconds=event.seconds / len(event.sample),
    )


def joined(parts: Sequence[events.Evaluated]) -> events.Evaluated:
    """The scores of several tasks at one step as one event."""
    first = parts[0]
    whole = {name: found for part in parts for name, found in (part.whole or {}).items()}
    return replace(
        first,
        sample={name: found for part in parts for name, found in part.sample.items()},
        whole=whole if first.whole is not None else None,
        documents={name: found for part in parts for name, found in (part.documents or {}).items()},
        seconds=sum(part.seconds for part in parts),
    )


def recorded_with_scores(setup: RunSetup, trained: str, recorded: Iterable[Kept]) -> Iterator[Kept]:
    """The recorded events of a stage that another run has trained, its kept scores of this run's tasks among them.

    A task that the other run has not scored is missing in them: `score_missing` scores it after the stage's last step.
    """
    assert setup.shared is not None
    at: dict[int, list[events.Evaluated]] = {}
    for task in setup.tasks:
        for event in setup.shared.recorded_events(scores_key(setup, task, trained)) or ():
            if isinstance(event, events.Evaluated):
                at.setdefault(event.step, []).append(event)
    for event in recorded:
        yield event
        if isinstance(event, events.StepDone) and event.step in at:
            yield joined(at[event.step])


def score_missing(
    setup: RunSetup, base: LoadedModel, last: events.Evaluated | None, stage: int, step: int
) -> events.Evaluated | None:
    """The scores after a stage's last step, `last`, with those of the tasks that it lacks; None where it lacks none."""
    missing = [task for task in setup.tasks if last is None or task.name not in last.sample]
    if not missing:
        return None
    found = evaluate(setup, base, missing, stage, step, whole=True)
    if last is None:
        return found
    both = joined([last, found])
    order = [task.name for task in setup.tasks]
    return replace(both, sample={n: both.sample[n] for n in order}, whole={n: (both.whole or {})[n] for n in order})
