"""The headings and sentences of the report that tell what was learnt and lost, and of the button that has it found."""

from collections.abc import Sequence

from engine.common.numerals import percent, written
from engine.common.quoting import listed
from figures.numbers import plural

LOST_TITLE = "What was learnt and what was lost"
TASK, RUN, LEARNT, LOST_SINCE, MOST_LOST_IN = "Task", "Run", "Learnt", "Lost since", "Most was lost in"
BASE_MODEL, AFTER_OWN_STAGE, AT_THE_END = "Base model", "After its own stage", "At the end"
ABOUT_LOST = " Learnt: how much better its own stage made a task. Lost since: how much worse the last stage leaves it."
NONE_WORSE = " No answer became worse."
MISSING_TITLE = "Passages and answers that are not shown"
EXPECTED, WROTE_NOTHING = "Expected", "wrote nothing"
EXACTLY_RIGHT = "✓ exactly right"
NOT_EXPECTED = "✗ not the expected answer"
FIND = "Find passages and answers for the report"
FIND_HELP = "Have these models read the held-out text on the CPU; a run that trains goes first."


def scored(score: str, runs: Sequence[str], seed: int) -> str:
    return f"{score} on held-out text of every task in the runs of {' and '.join(runs)} with seed {seed}."


def kept_most(run: str) -> str:
    return f" {run} kept most of the strategies that are compared."


def lost_nothing(run: str) -> str:
    return f" {run} lost nothing of any earlier task as a whole, so no passages are shown."


def in_order(tasks: Sequence[str]) -> str:
    """The order of the tasks, where it varies."""
    return f" These runs learnt the tasks in the order {' → '.join(tasks)}."


def lost_in(stage: int, task: str, change: str) -> str:
    return f"stage {stage} ({task}): {change}"


def documents_lost(worse: int, documents: int, run: str, lost: str) -> str:
    """How many held-out documents of a task scored worse; `lost` is what the task lost as a whole."""
    return (
        f"{worse:,} of {plural(documents, 'held-out document')} scored worse at the end than after the task's own "
        f"stage with {run}, which lost {lost} of the task as a whole. Of those that lost most the worst stretch is "
        "shown; orange is text that the final model expects less than before, blue text that it expects more."
    )


def passages_title(task: str) -> str:
    return f"What was lost of {task}: passages"


def answers_title(task: str) -> str:
    return f"What was lost of {task}: answers"


def asked(questions: int, scores: Sequence[str]) -> str:
    """How many questions were asked; `scores` are the sentences of `exactly_right`."""
    return f"{plural(questions, 'held-out question')}, answered greedily. {' '.join(scores)}"


def exactly_right(run: str, before: float, after: float, lost: int, gained: int, test: str) -> str:
    return (
        f"{run}: {percent(before)} exactly right after the task's own stage, {percent(after)} at the end; "
        f"{lost:,} turned wrong and {gained:,} right ({test}, McNemar's exact test)."
    )


def answers_shown(run: str) -> str:
    return f" Shown are answers of {run} that became worse, the worst first."


def missing(tasks: Sequence[str]) -> str:
    return (
        f"Those of {listed(list(tasks))} were not computed when this report was made. On the page Compare, the button "
        f"“{FIND}” has the models read the held-out text; a report that is made after that shows them."
    )


def lost(change: float, before: float, after: float) -> str:
    """What a stretch lost or gained."""
    return (
        f"{'lost' if change > 0 else 'gained'} {written(abs(change), '.3f')} bits per byte: "
        f"{written(before, '.3f')} → {written(after, '.3f')}"
    )


def document(number: int) -> str:
    return f"Held-out document {number}"


def tokens_before(number: int) -> str:
    return f"… {number:,} tokens before"


def tokens_after(number: int) -> str:
    return f"… {number:,} tokens after"


def not_there(runs: Sequence[str], tasks: Sequence[str]) -> str:
    return (
        f"Not in the report yet: what {' and '.join(runs)} lost of {listed(list(tasks))}, word by word and answer by "
        "answer."
    )


def there(tasks: Sequence[str]) -> str:
    return f"The report shows the passages of {listed(list(tasks))} that lost most, and answers that became worse."


def after_own_stage(run: str) -> str:
    return f"{run}, after the task's own stage"


def at_the_end(run: str) -> str:
    return f"{run}, at the end"
