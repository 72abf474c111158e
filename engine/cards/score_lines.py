"""The scores of a run in the card of one of its checkpoints: the matrix, its summary, and what was lost in words."""

from collections.abc import Sequence

from engine.cards.facts import SCORE, CardFacts
from engine.cards.markdown import literal, table
from engine.common.numerals import written
from engine.results.comparison import Rows
from engine.results.summaries import summarize
from engine.results.task_losses import TaskLoss, task_losses

_UNIT = "bits per byte"
_MEASURES = (
    ("average", "Average over the tasks so far", -1),
    ("learning_accuracy", "Average over the tasks, each right after its own stage", -1),
    ("forgetting", "Forgetting: how far the earlier tasks fell from their best, mean over them", 1),
    ("backward_transfer", "Backward transfer: what later stages did to earlier tasks, above 0 is better", 1),
    ("forward_transfer", "Forward transfer: what earlier stages did to a task before its own, above 0 helps", 1),
)  # fmt: skip
"""Field of `Summary`, its words, and its sign: summaries are of a score where higher is better."""


def score_section(facts: CardFacts) -> str:
    """The whole matrix with the checkpoint's own row marked, and its summary up to that row."""
    if not facts.rows:
        return "## Scores\nThe run has not been scored.\n"
    labels = [task.label for task in facts.experiment.tasks]
    rows = [_row(facts, stage, labels) for stage in range(len(facts.rows))]
    mark = (
        f"The bold row, after stage {facts.stage}, is this checkpoint."
        if facts.finished
        else f"No row is this checkpoint: the run was stopped inside stage {facts.stage}, and scores are taken at the "
        "end of a stage."
    )
    later = " Rows below it are of later stages of the same run." if facts.stage < len(facts.rows) - 1 else ""
    return (
        f"## Scores\nHeld-out text, {_UNIT}, lower is better. A row is the model after a stage, a column is a task. "
        f"{mark}{later if facts.finished else ''}\n\n{table(('After', *map(literal, labels)), rows)}\n\n"
        + (_summary(own_rows(facts)) + _general(facts) if facts.finished else "")
    )


def _general(facts: CardFacts) -> str:
    """The general text of the base model and of this checkpoint; "" where none was scored."""
    if 0 not in facts.general or facts.stage not in facts.general:
        return ""
    before, now = facts.general[0], facts.general[facts.stage]
    return (
        f"\nA general text that no task touches: {before[SCORE]:.4f} {_UNIT} for the base model, {now[SCORE]:.4f} for "
        f"this checkpoint. KL(base model ‖ checkpoint) on it is {now['drift']:.4f} nats per token.\n"
    )


def lost_section(facts: CardFacts) -> str:
    """What this checkpoint has learnt and lost of each task, in sentences."""
    if not facts.finished or len(facts.rows) <= facts.stage:
        return ""
    losses = task_losses(own_rows(facts), SCORE)
    names = [literal(task.label) for task in facts.experiment.tasks]
    return "## What it learnt and what it lost\n" + "\n".join(f"- {_sentence(each, names)}" for each in losses) + "\n"


def own_rows(facts: CardFacts) -> Rows:
    """The matrix of the stages up to the checkpoint's, over the tasks that were trained by then: (s+1) × s."""
    return [row[: facts.stage] for row in facts.rows[: facts.stage + 1]]


def _row(facts: CardFacts, stage: int, labels: Sequence[str]) -> list[str]:
    is_own = facts.finished and stage == facts.stage
    name = f"stage {stage} ({literal(labels[stage - 1])})" if stage else "base model"
    cells = [name, *(f"{score:.4f}" for score in facts.rows[stage])]
    return [f"**{cell}**" for cell in cells] if is_own else cells


def _summary(rows: Rows) -> str:
    found = summarize(rows, lower_is_better=True)
    lines = []
    for name, words, factor in _MEASURES:
        value = getattr(found, name)
        said = f"not defined: {found.reasons[name]}" if value is None else written(factor * value, ".4f")
        lines.append(f"- {words}: {said}.")
    return f"In {_UNIT}, over the tasks trained up to this checkpoint:\n\n" + "\n".join(lines) + "\n"


def _sentence(loss: TaskLoss, names: Sequence[str]) -> str:
    name = names[loss.task - 1]
    change = f"{abs(loss.gained):.4f} {_UNIT} {'better' if loss.gained >= 0 else 'worse'}"
    text = f"{name}: its own stage made it {change} ({loss.untrained:.4f} → {loss.learned:.4f})"
    if not loss.is_earlier:
        return f"{text}; no stage came after it."
    if loss.lost <= 0:
        return f"{text}; later stages lost nothing of it ({loss.ended:.4f} now)."
    where = (
        f"; most of it went in stage {loss.worst_stage} ({names[loss.worst_stage - 1]}), by {loss.lost_there:.4f}"
        if loss.worst_stage is not None
        else ""
    )
    return f"{text}; since then it lost {loss.lost:.4f} ({loss.ended:.4f} now){where}."
