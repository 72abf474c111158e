"""Texts in tokens → their sizes, from which the cost of an experiment is worked out."""

from engine.execution.task_tokens import TaskTokens
from engine.forecast.sizes import TaskSize
from engine.insight.measures.expected_answers import answer_tokens
from engine.models.loading import LoadedModel
from engine.training.scored_texts import held_out_questions

_SAMPLED = 64
"""Documents whose lengths are told one by one."""


def task_size(tokens: TaskTokens, base: LoadedModel, most_questions: int) -> TaskSize:
    """The size of a task, up to `most_questions` of whose held-out questions are answered."""
    train, held_out = tokens.train, tokens.held_out
    found = held_out_questions(base, held_out, most_questions)
    asked = found.asked if found is not None else ()
    some = slice(None, None, max(1, len(train) // _SAMPLED))
    return TaskSize(
        tokens.name, len(train), train.target_tokens, held_out.target_tokens, len(held_out),
        train.read_tokens / max(1, train.target_tokens), held_out.read_tokens / max(1, held_out.target_tokens),
        asked_tokens=sum(len(question.prompt) for question in asked),
        answer_tokens=len(asked) * answer_tokens(asked),
        sample=tuple(zip(train.targets[some].tolist(), (train.lengths[some] - 1).tolist(), strict=True)),
    )  # fmt: skip
