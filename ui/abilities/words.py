"""The sentences, labels and help texts of what models can do beside their tasks."""

from collections.abc import Sequence

from figures.numbers import bytes_size, percent, plural
from ui.widgets.text import plain

EVERY, LAST = "Every stage", "The last stage"
TO_COME = "Here it will stand what each stage can still do of what no task teaches."
NO_RUN = "No run is chosen; choose one whose stages shall be held against the probes."
RUNS = "Runs"
RUNS_HELP = "Their models are held against every probe, beside the base model."
STAGES_OF = "Of each run"
STAGES_OF_HELP = "Every stage whose checkpoint is there, or the last of them alone."
TESTS_FOLLOW = "Tests follow once all models are done. "
STANDARD_ERROR = " ± after a value of lm-evaluation-harness is its standard error."
ABOUT_PROBES = "What the probes ask, and what chance means"
ABOUT_PROBES_TEXT = (
    "The items are generated, the same for every model, and need no network. A choice counts by the sum of the "
    "log-probabilities of its tokens after the prompt, so that base models can take part. Looking at the "
    "choices without the prompt is right as often as chance, by the way they are drawn: a share **as by "
    "chance** says that the model makes nothing of the prompt. A probe on which the base model is at chance "
    "can't show forgetting: there was nothing to forget."
)
AT_CHANCE = " · as by chance"
NO_NUMBER = "no number"

# lm-evaluation-harness
HARNESS = "More tasks, with lm-evaluation-harness"
HARNESS_TEXT = (
    "EleutherAI's harness evaluates a checkpoint on hundreds of tasks. It is not part of this program: install "
    "it with `pip install 'lm_eval[hf]'` where its data sets can be downloaded, run the line below there, and "
    "give back the `results_….json` that it writes."
)
MODEL = "Model"
MODEL_HELP = "The model that the command evaluates, and that a results file is kept with."
TASKS = "Tasks"
TASKS_HELP = "Names of tasks or groups, with commas between them; `lm_eval ls tasks` lists them."
COMMAND_ELSEWHERE = (
    "The command names folders of the server, which are shown on its own machine alone: "
    "`python -m engine understand DATA --run RUN --stage STAGE --lm-eval TASKS` prints it there."
)
KEEP = "Keep these results"
KEEP_HELP = "Their values become columns of the table above, and stand in results.json."
DELETE = "Delete"
DELETE_HELP = "Delete these results."
TABLE_LABEL = "What each model can do"
CHANGES = {"fell": "fell", "rose": "rose"}


def about_the_table(items: int, tested: str, spread: str) -> str:
    return (
        f"The share of {items} items whose right choice a model finds likeliest, with its 95% interval; the dotted "
        f"line is chance. {tested}▼ fell and ▲ rose: since the base model, by McNemar's exact test on the same items, "
        "with Holm's correction over all that is compared here (p < 0.05). Written: the share of greedy answers that "
        f"are exactly right.{spread}"
    )


def results_of(model: str) -> str:
    return f"Results of {plain(model)}"


def upload_help(most_bytes: int) -> str:
    return f"The results_….json of lm_eval, {bytes_size(most_bytes)} at most. It is read and not executed."


def left_out(names: Sequence[str]) -> str:
    return f" Left out, since no numbers: {', '.join(names[:5])}."


def kept(values: int, model: str, more: str, doubt: str) -> str:
    return f"{plural(values, 'value')} kept with {model}.{more} {doubt}"


def chance(percentage: str) -> str:
    return f"chance {percentage}"


def interval(low: float, high: float) -> str:
    """Two shares, as percentages."""
    return f"{100 * low:.0f} to {percent(high)}"


def written(percentage: str) -> str:
    return f"written: {percentage}"


def items(number: int) -> str:
    return f"{number:,} items"


def choices(parts: list[str]) -> str:
    return f"Choices: {' · '.join(parts)}"
