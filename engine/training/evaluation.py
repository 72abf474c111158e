"""Scores of a run's held-out texts: measured, kept for other runs part by part, and put together again.

What a stage's steps have made does not depend on what it is scored on: so the scores of each task, of the general text
and of the guards are kept under keys of their own, and a task that is added later is scored from the checkpoints that
are there.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar

from torch import Tensor

from engine import events
from engine.events.scores import GENERAL, AnswerSums, DocumentSums, Score
from engine.insight.measures.guard_checks import check_guards
from engine.models.loading import LoadedModel
from engine.persistence.content_keys import content_key
from engine.persistence.journal import Kept
from engine.training.run_state import RunSetup
from engine.training.scored_texts import Scored, ScoredText
from engine.training.scoring import SampleScores, score, score_sample

_Of = TypeVar("_Of")


def evaluate(
    setup: RunSetup, base: LoadedModel, scored: Scored, stage: int, step: int, whole: bool
) -> events.Evaluated:
    """Score the held-out sample of every text of `scored`; where `whole`, all of its held-out text, the answers to its
    questions, and the guards."""
    started = setup.control.active_time()
    samples: dict[str, Score] = {}
    wholes: dict[str, Score] = {}
    documents: dict[str, DocumentSums] = {}
    answers: dict[str, AnswerSums] = {}
    drift: float | None = None
    check, packed = setup.control.check, base.packed
    for text in scored.texts:
        held_out = text.held_out
        places = text.drift.places if text.drift is not None else None
        sample = score_sample(base.model, held_out, check, packed, places)
        samples[text.name], documents[text.name] = sample.score, sample.documents
        if text.drift is not None:
            drift = text.drift.measure(sample.log_probabilities, partial(_of_base, setup, text, sample, stage))
        if whole:
            wholes[text.name] = samples[text.name]
            if held_out.rest is not None:
                wholes[text.name] += score(base.model, held_out.rest, held_out.rest_bytes, check, packed)
            if text.questions is not None:
                answers[text.name] = text.questions.sums(base, check)
    guards = tuple(check_guards(base, scored.guards, check)) if whole and scored.guards else None
    seconds = setup.control.active_time() - started
    return events.Evaluated(
        stage, step, samples, wholes if whole else None, seconds, documents, answers or None, drift, guards
    )


def _of_base(setup: RunSetup, text: ScoredText, sample: SampleScores, stage: int) -> Tensor:
    """The base model's log-probabilities in the places of the text's drift, float32 [n, V]: where it is scored itself,
    those that were found."""
    if stage == 0 or text.drift is None:
        return sample.log_probabilities
    base = setup.load_model(None)
    return score_sample(
        base.model, text.held_out, setup.control.check, base.packed, text.drift.places
    ).log_probabilities


def scores_key(setup: RunSetup, part: str, trained: str) -> str:
    """The name of a part of the scores inside and after the stage that `trained` names, for the part's own key."""
    return content_key(trained, "scores", part, setup.training.evaluations_per_stage)


def keep_scores(setup: RunSetup, trained: str, recorded: Iterable[Kept]) -> None:
    """Keep a stage's scores for other runs, part by part; those of a part that lacks some are not kept."""
    assert setup.shared is not None
    evaluated = [event for event in recorded if isinstance(event, events.Evaluated)]
    for text in setup.scored.texts:
        if evaluated and all(text.name in event.sample for event in evaluated):
            own = [_of_text(event, text.name) for event in evaluated]
            setup.shared.keep(scores_key(setup, text.held_out_key, trained), own)
    of_guards = [_of_guards(event) for event in evaluated if event.guards is not None]
    if of_guards:
        setup.shared.keep(scores_key(setup, setup.scored.guards_key, trained), of_guards)


def _of_text(event: events.Evaluated, name: str) -> events.Evaluated:
    """The part of an event that is one text's; its time is shared evenly."""

    def own(found: dict[str, _Of] | None) -> dict[str, _Of] | None:
        return None if found is None or name not in found else {name: found[name]}

    return replace(
        event,
        sample={name: event.sample[name]},
        whole=own(event.whole),
        documents=own(event.documents),
        answers=own(event.answers),
        drift=event.drift if name == GENERAL else None,
        guards=None,
        seconds=event.seconds / len(event.sample),
    )


def _of_guards(event: events.Evaluated) -> events.Evaluated:
    """The part of an event that is the guards'; its time counts with the texts."""
    return replace(event, sample={}, whole={}, documents=None, answers=None, drift=None, seconds=0.0)


def joined(parts: Sequence[events.Evaluated]) -> events.Evaluated:
    """The scores of several parts at one step as one event."""
    first = parts[0]
    return replace(
        first,
        sample={name: found for part in parts for name, found in part.sample.items()},
        whole=_merged(part.whole for part in parts),
        documents=_merged(part.documents for part in parts),
        answers=_merged(part.answers for part in parts),
        drift=next((part.drift for part in parts if part.drift is not None), None),
        guards=next((part.guards for part in parts if part.guards is not None), None),
        seconds=sum(part.seconds for part in parts),
    )


def _merged(parts: Iterable[dict[str, _Of] | None]) -> dict[str, _Of] | None:
    """None where no part has any."""
    there = [part for part in parts if part is not None]
    return {name: found for part in there for name, found in part.items()} if there else None


def recorded_with_scores(setup: RunSetup, trained: str, recorded: Iterable[Kept]) -> Iterator[Kept]:
    """The recorded events of a stage that another run has trained, its kept scores of what this run is scored on among
    them.

    What the other run has not scored is missing in them: `score_missing` scores it after the stage's last step.
    """
    assert setup.shared is not None
    scored, at = setup.scored, dict[int, list[events.Evaluated]]()
    keys = [text.held_out_key for text in scored.texts] + ([scored.guards_key] if scored.guards else [])
    for key in keys:
        for event in setup.shared.recorded_events(scores_key(setup, key, trained)) or ():
            if isinstance(event, events.Evaluated):
                at.setdefault(event.step, []).append(event)
    for event in recorded:
        yield event
        if isinstance(event, events.StepDone) and event.step in at:
            yield joined(at[event.step])


def score_missing(
    setup: RunSetup, base: LoadedModel, last: events.Evaluated | None, stage: int, step: int
) -> events.Evaluated | None:
    """The scores after a stage's last step, `last`, with those that it lacks; None where it lacks none."""
    scored = setup.scored
    missing = Scored(
        tuple(text for text in scored.texts if last is None or text.name not in last.sample),
        scored.guards if last is None or last.guards is None else (),
    )
    if not missing.texts and not missing.guards:
        return None
    found = evaluate(setup, base, missing, stage, step, whole=True)
    if last is None:
        return found
    both = joined([last, found])
    order = [text.name for text in scored.texts]
    return replace(both, sample={n: both.sample[n] for n in order}, whole={n: (both.whole or {})[n] for n in order})
