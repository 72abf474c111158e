"""The sizes of texts under one tokenizer, and what an evaluation reads and writes of them."""

from collections.abc import Sequence
from dataclasses import dataclass

from engine.experiments.experiment import Experiment
from engine.guards.guard import OF_ANSWERS
from engine.strategies.tools.memory_draws import KeptTask
from engine.training.scoring import sample_size


@dataclass(frozen=True)
class TaskSize:
    """A task under one tokenizer, in target tokens."""

    name: str
    documents: int
    """Those of the training side."""
    train_tokens: int
    held_out_tokens: int
    held_out_documents: int = 1
    reads_per_target: float = 1.0
    """Tokens that the model reads for each that it learns, of the training side: more than 1 where prompts and the
    turns of users are only read."""
    held_out_reads_per_target: float = 1.0
    """The same of the held-out side."""
    asked_tokens: int = 0
    """Read to answer its held-out questions once."""
    answer_tokens: int = 0
    """Written at most to answer them once."""
    sample: tuple[tuple[int, int], ...] = ()
    """Target tokens and tokens read of some documents of the training side."""

    @property
    def kept(self) -> KeptTask:
        """The task as a past one of which documents are kept."""
        return KeptTask(self.documents, self.train_tokens, self.train_tokens * self.reads_per_target, self.sample)


@dataclass(frozen=True)
class EvaluationTokens:
    """What one evaluation costs."""

    read: int
    """Forward alone."""
    written: int = 0
    """At most: an answer may end before."""


def evaluation_tokens(
    experiment: Experiment, sizes: Sequence[TaskSize], general: TaskSize | None
) -> tuple[EvaluationTokens, EvaluationTokens]:
    """The tokens of an evaluation inside a stage, and of one at its end. `general` is the size of the general text, all
    of it held out."""
    training = experiment.training
    texts = [*sizes, *([general] if general is not None else [])]
    held_out = [(size, min(size.held_out_tokens, training.held_out_tokens)) for size in texts]
    samples = [(size, _sample_tokens(size, scored, training.evaluation_tokens)) for size, scored in held_out]
    of_answers = sum(guard.answer_tokens for guard in experiment.guards if guard.kind in OF_ANSWERS)
    return (
        EvaluationTokens(_read(samples)),
        EvaluationTokens(
            _read(held_out) + sum(size.asked_tokens for size in sizes),
            of_answers + sum(size.answer_tokens for size in sizes),
        ),
    )


def _read(scored: Sequence[tuple[TaskSize, int]]) -> int:
    return round(sum(tokens * size.held_out_reads_per_target for size, tokens in scored))


def _sample_tokens(size: TaskSize, scored: int, share: int) -> int:
    """Return how many of a text's `scored` held-out tokens lie in the documents that curves follow."""
    documents = max(1, round(size.held_out_documents * scored / max(1, size.held_out_tokens)))
    return round(scored * sample_size(documents, scored, share) / documents)
