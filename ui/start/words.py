"""The sentences, labels and help texts of the Start page."""

from figures.numbers import percent, plural
from ui.glossary.terms import term
from ui.widgets.text import plain

TITLE = "Palimpsest"
WHAT_THIS_IS = (
    "Teach one language model task after task, and see what it **forgets**. Give it texts in an order, choose how to "
    "protect what it already knows, watch it learn, compare the strategies, and keep the model that kept most."
)
WATCHES = "{} already works on this data folder. This one only watches: what you queue here runs over there."

DEMO_TITLE = "See it in three minutes"
DEMO_TEXT = (
    "A small model that comes with Palimpsest learns three short tasks, once with each strategy: plain fine-tuning, "
    "replay, KL to the model before, EWC, and all tasks at once as the reference. It runs on this machine, with no "
    "download."
)
RUN_DEMO, RUN_DEMO_HELP = "Run the demo", "Queues a small experiment on the built-in samples and opens its live view."
AGAIN_DEMO, AGAIN_DEMO_HELP = "Run the demo again", "The last demo did not end well; this queues it anew."
WATCH_DEMO, WATCH_DEMO_HELP = "Watch the demo", "Its curves and its score matrix as they come."
DEMO_RESULT, DEMO_RESULT_HELP = "See the demo's result", "Its strategies side by side: what each of them kept."
NEW, NEW_HELP = "New experiment", "Choose model, tasks, strategies and seeds."

PICTURE_TITLE = "What you will see"
PICTURE_TEXT = (
    f"The {term('score matrix')} of two strategies of the demo, measured on two cores of a CPU. Each row is the model "
    f"after one more task, each column a task's {term('held-out text')}: blue is better than the {term('base model')}, "
    "orange is worse. Plain fine-tuning loses part of what the first tasks gained; replay keeps more of it."
)

OWN_TEXTS = "With texts of your own"
STEPS = {
    "tasks": ("Tasks", "Upload or paste texts, or take the samples."),
    "experiment": ("Experiment", "Choose model, strategies and how strongly they act."),
    "live": ("Live", "Watch the losses, and what a new task does to the old."),
    "compare": ("Compare", "See what each strategy kept; download the model."),
    "understand": ("Understand", "Ask the models; read what they forgot, word by word."),
}

GOES_ON, NOTHING_GOES_ON = "Running and waiting", "Nothing runs and nothing waits."
FAILED, EARLIER = "Failed or cut short", "Earlier"
LIVE, LIVE_HELP = "Live", "Curves and matrix of its runs."
COMPARE, COMPARE_HELP = "Compare", "Its strategies side by side."
EDIT = "Edit and start again"
EDIT_HELP = "Opens its settings as a new experiment; what it has trained is taken over where the change allows it."
MORE_RUNS = "and {} of its runs more, for reasons that its Live page gives"
MORE_EARLIER_HELP = "The table of all experiments and runs."


def running(runs: int) -> str:
    """The badge beside the title while so many runs have not ended."""
    return f"{plural(runs, 'run')} to go"


def ended_since(visit: str | None) -> str:
    """The heading over what ended; `visit` is the end of the last visit, None for a first one."""
    return f"Ended since your last visit, {visit}" if visit else "Ended"


def nothing_ended(visit: str | None) -> str:
    """What stands there where nothing has."""
    return f"Nothing has ended since {visit}." if visit else "Nothing has ended yet."


def progress(finished: int, runs: int, in_trouble: int, current: str | None, share: float) -> str:
    """How far an experiment is; `current` is the run that is trained now."""
    trouble = f", {in_trouble} failed or cut short" if in_trouble else ""
    now = f" · {plain(current)} at {percent(share)}" if current else ""
    return f"{finished} of {plural(runs, 'run')} finished{trouble}{now}"


def outcome(finished: int, runs: int, moment: str) -> str:
    """What came of an experiment that has ended."""
    return f"{finished} of {plural(runs, 'run')} finished · {moment}"


def more_earlier(experiments: int) -> str:
    """The way to those that are not shown."""
    return f"{plural(experiments, 'more experiment')} on the Runs page"


def ago(span: str) -> str:
    """The time since something ended."""
    return f"{span} ago"


def failure(run: str, reason: str) -> str:
    """A run that failed, and why."""
    return f"{plain(run)}: {plain(reason)}" if reason else plain(run)
