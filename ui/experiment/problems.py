"""What keeps an experiment from its start: each problem in a sentence, with the part of the page where it is mended."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from engine.common.errors import ConfigError
from engine.experiments.resources import check_gpus
from engine.tasks.spec import TaskSpec
from engine.tasks.texts_beside import check_untouched
from ui.drafts import words as draft_words
from ui.drafts.draft import ExperimentDraft, reads_reference
from ui.experiment import words
from ui.experiment.strategy_cards import ANCHOR as STRATEGIES
from ui.experiment.tasks_section import ANCHOR as TASKS
from ui.experiment.training_section import ANCHOR as TRAINING
from ui.widgets.forms import parse_seeds

FURTHER_ANCHOR = "experiment-further"


@dataclass(frozen=True)
class Problem:
    """A sentence, and the anchor of the heading above its field."""

    sentence: str
    anchor: str


def problems_of(draft: ExperimentDraft, known: Mapping[str, TaskSpec]) -> list[Problem]:
    """Everything that is wrong, in the page's order; nothing where the draft is an experiment."""
    found: list[Problem] = []

    def check(anchor: str, look: Callable[[], object]) -> None:
        try:
            look()
        except ConfigError as error:
            found.append(Problem(str(error), anchor))

    if not draft.tasks(known):
        found.append(Problem(draft_words.NEEDS_TASK, TASKS))
    if not draft.model.strip():
        found.append(Problem(draft_words.NEEDS_MODEL, TRAINING))
    check(TRAINING, lambda: parse_seeds(draft.seeds))
    on = [card for card in draft.cards if card.on]
    if not on:
        found.append(Problem(draft_words.NEEDS_STRATEGY, STRATEGIES))
    for card in on:
        check(STRATEGIES, card.spec)
    if not any(problem.anchor == STRATEGIES for problem in found):
        for spec in draft.specs():
            if reads_reference(spec):
                check(STRATEGIES, lambda name=spec.name: draft.chosen_reference(known, name))  # type: ignore[misc]
                break
    check(FURTHER_ANCHOR, lambda: check_untouched(draft.chosen_general(known), draft.tasks(known)))
    check(FURTHER_ANCHOR, draft.guards.guards)
    try:
        check_gpus(draft.resources["gpus"])
    except ValueError as error:
        found.append(Problem(words.gpus(error), FURTHER_ANCHOR))
    if not found:  # what only the whole can show
        check(TRAINING, lambda: draft.experiment(known))
    return found
