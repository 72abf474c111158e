"""The check reads everything that a start would read, before it: what would be refused, and what each task comes to.

The command line's `check`, a run before its folder is touched, and the Start button of the page all ask here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from engine.common.errors import PalimpsestError, TaskError
from engine.execution.general_tokens import trained_on
from engine.execution.ignored_settings import ignored_parameters, with_ignored_settings
from engine.execution.model_check import look_at_model, remarks_on_overrides, remarks_on_training
from engine.execution.task_tokens import TaskTokens, TokensOf, task_tokens
from engine.execution.text_beside_tokens import named, tokens_beside
from engine.experiments.experiment import Experiment
from engine.forecast.disk import DiskUse, disk_use
from engine.insight.measures.guard_checks import check_fits
from engine.tasks import open_task
from engine.tasks.spec import TaskSpec
from engine.tasks.texts_beside import GeneralSpec, TextBeside, check_untouched
from engine.tokens.encoded_documents import EncodedDocuments
from engine.tokens.rendered_text import read_and_learnt

if TYPE_CHECKING:
    from engine.persistence.shared_results import SharedResults

_LEFT_OUT = (
    "general: the text that comes along is English, which this model's tokens can't write, so no general text is "
    "scored; name one that they can."
)
FIRST = 3
"""Training documents of each task that a report shows as the model gets them."""

Progress = Callable[[int, int, str], None]
"""Tasks done, tasks in all, and the name of the one that is read now."""


@dataclass(frozen=True)
class CheckedTask:
    """A task as a start would read it."""

    name: str
    documents: int
    held_out_documents: int
    target_tokens: int
    """The target tokens of the training text, read once."""
    held_out_target_tokens: int
    kind: str
    columns: tuple[str, ...]
    unused_columns: tuple[str, ...]
    remarks: tuple[str, ...]
    scored_on_training: bool
    separator: str | None
    chat_template: str | None
    fingerprint: str = ""
    """Tells the training text from others."""
    first: tuple[dict[str, str], ...] = ()
    """The first training documents: {"read": what is given, "learnt": what is learnt}."""


@dataclass(frozen=True)
class Report:
    """The findings of reading an experiment. It may be started where `refused` is empty."""

    tasks: tuple[CheckedTask, ...] = ()
    refused: tuple[str, ...] = ()
    """Whole sentences, each with what to do."""
    reference: CheckedTask | None = None
    """The reference text, where a strategy reads it: nothing of it is held out."""
    general: CheckedTask | None = None
    """The general text, where one is scored."""
    remarks: tuple[str, ...] = field(default=())
    """About the experiment as a whole: what may be meant, but should be looked at."""
    disk: DiskUse | None = None
    """What it will take on the disk, where the model's size is known."""

    def raise_refusal(self) -> None:
        """Raises TaskError with every refusal where there are any."""
        if self.refused:
            raise TaskError(" ".join(self.refused))


def check(
    experiment: Experiment,
    shared: SharedResults | None = None,
    progress: Progress = lambda done, total, name: None,
    download: bool = False,
) -> Report:
    """Read the tokenizer and every task as a start would; trains nothing, and loads no weights.

    Tokens are kept in `shared` for the runs where it is given. Hub models are downloaded with `download` alone. Never
    raises for what a user can mend: that is in the report.
    """
    progress(0, len(experiment.tasks), "")
    model = look_at_model(experiment, download=download)
    refused = [str(problem) for problem in model.problems]
    tokens: TokensOf | None = None
    if model.tokenizer is not None:
        with suppress(PalimpsestError):  # it has no token that ends a text: that is among the problems
            tokens = TokensOf.from_tokenizer(experiment.model, model.tokenizer)
    tasks, trained = [], dict[str, EncodedDocuments]()
    for number, spec in enumerate(experiment.tasks):
        progress(number, len(experiment.tasks), spec.name)
        try:
            if tokens is None:
                open_task(spec)  # without a tokenizer the texts can still be wrong
            else:
                found = task_tokens(spec, tokens, shared, experiment.training.block_size)
                tasks.append(_checked(spec, with_ignored_settings(spec, found), tokens))
                trained[spec.name] = found.train
        except PalimpsestError as error:
            refused.append(_of_task(spec, error, len(experiment.tasks)))
    read = experiment.readers_of_reference()
    reference = _beside(experiment.reference if read else None, experiment, tokens, shared, refused)
    is_shipped, unread = experiment.general == GeneralSpec.shipped(), list[str]()
    general = _beside(experiment.general, experiment, tokens, shared, unread if is_shipped else refused)
    try:
        check_untouched(experiment.general, experiment.tasks)
    except PalimpsestError as error:
        refused.append(f"general: {error}")
    if tokens is not None and model.context is not None:
        try:
            check_fits(tokens, model.context, experiment.guards)
        except PalimpsestError as error:
            refused.append(f"guards: {error}")
    progress(len(experiment.tasks), len(experiment.tasks), "")
    on_training = remarks_on_training(experiment.training, model.parameters)
    on_strategies = (*remarks_on_overrides(experiment, model.parameters), *ignored_parameters(experiment))
    left_out = [_LEFT_OUT for _ in unread]
    touched = _touched(experiment, tokens, shared, trained) if general is not None else ()
    remarks = (*model.remarks, *on_training, *on_strategies, *left_out, *touched)
    disk = None
    if model.parameters is not None and not refused:
        disk = disk_use(experiment, model.parameters, reference.fingerprint if reference is not None else "")
    return Report(tuple(tasks), tuple(refused), reference, general, remarks, disk)


def _touched(
    experiment: Experiment,
    tokens: TokensOf | None,
    shared: SharedResults | None,
    trained: Mapping[str, EncodedDocuments],
) -> list[str]:
    """A sentence for each task that trains on documents of the general text."""
    if tokens is None or experiment.general is None:
        return []
    general = tokens_beside(experiment.general, tokens, shared, experiment.training.block_size).train
    counts = {name: trained_on(general, train) for name, train in trained.items()}
    return [
        f"general: {count:,} of its documents are trained on by '{name}' as well, so that it does not say what is lost "
        "beside the tasks; take them out, or name another text."
        for name, count in counts.items()
        if count
    ]


def _beside(
    spec: TextBeside | None,
    experiment: Experiment,
    tokens: TokensOf | None,
    shared: SharedResults | None,
    refused: list[str],
) -> CheckedTask | None:
    """A text beside the tasks, where there is one to be read; why it can't be read is added to `refused`."""
    if spec is None:
        return None
    try:
        if tokens is not None:
            return _checked(spec, tokens_beside(spec, tokens, shared, experiment.training.block_size), tokens)
        open_task(spec)
    except PalimpsestError as error:
        refused.append(named(spec, str(error)))
    return None


def _checked(spec: TaskSpec, found: TaskTokens, tokens: TokensOf) -> CheckedTask:
    return CheckedTask(
        name=spec.name,
        documents=len(found.train),
        held_out_documents=len(found.held_out),
        target_tokens=found.train.target_tokens,
        held_out_target_tokens=found.held_out.target_tokens,
        kind=found.reading.kind,
        columns=found.reading.columns,
        unused_columns=found.reading.unused_columns,
        remarks=found.reading.remarks,
        scored_on_training=found.reading.scored_on_training,
        separator=found.separator,
        chat_template=found.chat_template,
        fingerprint=found.train_fingerprint,
        first=_first(found, tokens),
    )


def _first(found: TaskTokens, tokens: TokensOf) -> tuple[dict[str, str], ...]:
    shown = [read_and_learnt(tokens.tokenizer, found.train[i]) for i in range(min(FIRST, len(found.train)))]
    return tuple({"read": read, "learnt": learnt} for read, learnt in shown)


def _of_task(spec: TaskSpec, error: PalimpsestError, tasks: int) -> str:
    """The sentence with the task it is about, unless it says so itself: a short name may stand in any sentence."""
    sentence = str(error)
    said = f"ask '{spec.name}'" in sentence  # "Task" or "task"
    return sentence if tasks == 1 or said else f"Task '{spec.name}': {sentence}"
