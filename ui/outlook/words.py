"""What the Experiment page says of its estimate."""

from collections.abc import Sequence

from figures.numbers import bytes_size, count, plural
from ui.widgets.text import plain

ASK_ESTIMATE = "Estimate time and disk"
HELP_ASK_ESTIMATE = "Loads the chosen model, times a few training steps on this machine and works out the rest."
ABOUT_ASKING = "The estimate loads the model and times a few steps; a model of the hub is downloaded first."
WRITTEN = "Written tokens"
FAILED = "The estimate failed; the log says why."
WRITTEN_HELP = (
    "By the model: texts that a strategy has it write, and its answers to held-out questions and guards, at most."
)
RUN, TIME, MEMORY, DISK, TASK, DOCUMENT, STANDS_IN = "Run", "Time", "Memory", "Disk", "Task", "Document", "Stands in"
TRAINED_TOKENS, FISHER_TOKENS = "Trained tokens", "Fisher tokens"
FORWARD_TOKENS = "Tokens read without a gradient"
FORGET = "Forget them"
HELP_FORGET = "Later runs make everything anew. Runs and checkpoints that exist keep all of theirs."

# The look ahead
LOOK_AHEAD = "Look ahead"
HELP_LOOK_AHEAD = "Scores the base model on each task and compares the tasks' vocabularies and documents."
ABOUT_LOOK_AHEAD = (
    "What can be known before training: how hard each task is for the base model, and how alike the tasks are."
)
SCORING = "Scoring the base model on each task …"
BASE_SCORES, OVERLAP = "The base model on each task", "Vocabulary overlap"
PERPLEXITY, HELP_PERPLEXITY = "Perplexity", "exp of nats per token"
BITS, HELP_BITS = "Bits per byte", "Comparable across tasks and languages; lower is better."
ACCURACY, HELP_ACCURACY = "Accuracy", "Share of tokens that are the model's first guess."
ABOUT_BASE_SCORES = "On a sample of the held-out text. A task of low perplexity has little to gain from training."
ABOUT_OVERLAP = (
    "1: both tasks use the same tokens equally often; 0: they share none. Expect more forgetting between tasks that "
    "have little in common."
)
NO_DUPLICATES = "No document stands in two tasks or on both sides of a split."

# What the seeds can show
ONE_STRATEGY = "A single strategy has nothing to be compared with; joint is the reference and is not tested."


def estimated(model: str, parameters: int, tokens: float, device: str, memory: int) -> str:
    """What the estimate rests on: tokens a second, and bytes of memory of the run that needs most."""
    return (
        f"Of one seed. {plain(model)} has {count(parameters)} parameters and trains at about {count(tokens)} tokens a "
        f"second here ({device}), the fastest that was timed; other work on this machine slows it down. "
        "Stages that several runs have in common are trained once. The run that needs most memory takes about "
        f"{bytes_size(memory)}."
    )


def room(used: int, limit: int | None, free: int) -> str:
    """Bytes that the data folder uses, may use, and has room for."""
    most = f" of the {bytes_size(limit)} that may be" if limit is not None else ""
    return f"This data folder uses {bytes_size(used)}{most}; there is room for {bytes_size(free)} more."


def shared(size: int, limit: int) -> str:
    """How many bytes are kept for later runs."""
    return (
        f"{bytes_size(size)} of trained stages and encoded texts are kept (at most {bytes_size(limit)}): a run that "
        "would make the very same takes them over, to the same numbers."
    )


def duplicates(documents: int, leaks: int) -> str:
    text = f"{plural(documents, 'document stands', 'documents stand')} in more than one place"
    if leaks:
        text += f"; {leaks} of them are trained on in one and held out in another, which flatters that task's scores"
    return text + "."


def first_of(shown: int, every: int) -> str:
    return f"The first {shown} of {every}."


def with_more_seeds(size: float, seeds: int) -> str:
    return f"about {_times(size)} times with {seeds} seeds"


def one_seed(configurations: int, more: Sequence[str]) -> str:
    """What one seed can show, and what more would."""
    return (
        "One seed can't establish any difference: nothing tells it from chance. To be established among "
        f"{configurations} strategies and settings, a difference must be large against its variation from seed to "
        f"seed: {', '.join(more)}."
    )


def likely_established(seeds: int, configurations: int, size: float, only_large: bool) -> str:
    """How large a difference must be, in standard deviations from seed to seed."""
    begins = f"With {seeds} seeds and {configurations} strategies and settings, "
    if only_large:
        return (
            f"{begins}only large differences are likely to be established: about {_times(size)} times as large as "
            "they vary from seed to seed."
        )
    return (
        f"{begins}a difference is likely to be established if it is at least about {_times(size)} times as large as "
        "it varies from seed to seed."
    )


def more_seeds(more: Sequence[str]) -> str:
    return f" More seeds establish smaller ones: {', '.join(more)}."


def how_established(pairs: int, significance: float, power: float) -> str:
    """How the sentence above was worked out."""
    return (
        "Strategies are compared seed by seed: both see the same draws, so that what a seed does to both cancels. The "
        "difference that is left still varies from seed to seed, by its standard deviation. A paired t-test at "
        f"{significance:.0%}, with Holm's correction for {plural(pairs, 'pair')}, establishes a difference of the size "
        f"named here in {power:.0%} of such experiments. What trains on all tasks is no rival and is not tested. How "
        "much the differences vary is known after the runs."
    )


def _times(size: float) -> str:
    return f"{size:.2g}" if size < 10 else f"{size:.0f}"
