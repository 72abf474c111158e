"""The sentences, labels and help texts of the Runs page."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from figures.numbers import bytes_size, exact, plural

TITLE = "Runs"
EXPERIMENTS, RUNS, BIN, LOG = "Experiments", "Runs", "Bin", "Log"
VIEWS = (EXPERIMENTS, RUNS, BIN, LOG)
VIEW, VIEW_HELP = "Show", "One row per experiment or per run; what is in the bin; or who changed what."

STATUSES = {
    "running": "▶ running", "paused": "❚❚ paused", "queued": "… waiting", "finished": "✓ finished",
    "failed": "✕ failed", "interrupted": "↯ interrupted", "stopped": "■ stopped",
}  # fmt: skip

SEARCH, SEARCH_HELP = "Search", "Every word must stand in a name, a tag, the notes, a strategy, a task or the owner."
SEARCH_PLACEHOLDER = "Name, tag, notes, strategy, task"
STATUS, STATUS_HELP = "Status", "Rows with any of these; none chosen: all."
TAG, TAG_HELP = "Tag", "Rows that have all of these. A run has those of its experiment too."
MODEL, MODEL_HELP = "Model", "Rows of any of these base models; none chosen: all."
ARCHIVED, ARCHIVED_HELP = "Archived", "Show what was put away, and nothing else."
SORT, SORT_HELP = "Sort by", "A click on a column's title sorts as well."
COLUMNS, COLUMNS_HELP = "Columns", "Which columns the table shows."
MOVED_HERE, DELETED_ON = "Moved here", "Deleted on"
COLUMNS_SHOWN = "Columns shown"

COMPARE = "Compare"
COMPARE_HELP = "The chosen ones side by side."
CHOOSE_FIRST = "Choose rows in the table first."
CHOOSE_ONE = "Choose one row."
ALL_CHOSEN, NONE_CHOSEN = "All", "None"
ALL_HELP, NONE_HELP = "Choose every row that the table shows.", "Choose no row."

EMPTY = "No experiment yet. Set one up, or run the demo from the first page."
SET_UP, GO_TO_DEMO = "Set up an experiment", "Go to the demo"
NOTHING_FITS = "Nothing fits what you search for."
SHOW_ALL, SHOW_ALL_HELP = "Show all", "Clear the search and the filters."

ABOUT_LINEAGE, ABOUT_DATA, ABOUT_CHANGES = "Where it comes from", "From which data", "What was changed"
NOTES, NO_NOTES = "Notes", "None yet."
LIVE = "Live"
LIVE_HELP, COMPARE_ONE_HELP = "Curves and matrix of its runs.", "Its strategies side by side."
FROM_NOTHING = "It was set up by hand."
NO_FACTS = "Its tasks are read once a run begins."
NO_CHANGES = "Nothing was changed since it was made."

BIN_EMPTY = "The bin is empty. What is moved here can be restored for a day."
RESTORE, RESTORE_HELP = "Restore", "Back into the lists. Runs that waited are stopped, and can be resumed."
EMPTY_NOW, EMPTY_HELP = "Empty now", "Delete everything in the bin for good; asks first."
EMPTY_FOR_GOOD = "Delete for good"
EMPTY_FOR_GOOD_HELP = "Records and checkpoints are gone then."
RESTORED = "Restored."
LOG_EMPTY = "Nothing was deleted, renamed or archived yet."
LOG_HELP = "Deletions, restores, new names, tags, notes and the archive, the newest first."
SERVER_LOG = "Who did it stands here where people log in."

COLUMN_HELPS = {
    "Name": "An experiment's name; of a run its strategy, or the name that somebody gave it.",
    "Status": "Of an experiment: the first of running, waiting, interrupted, failed, stopped that one of its runs is.",
    "Runs": "Finished runs of all runs.",
    "Loss": "Mean loss of the final model over the tasks' held-out texts, in nats per token. Of an experiment: its "
    "best run's.",
    "Forgetting": "How much worse the earlier tasks are at the end than at their best, in nats per token, mean over "
    "them. Of an experiment: that of the run with the lowest loss.",
    "Minutes": "Training and scoring, all stages together; of an experiment all runs.",
    "MB": "Size on disk: checkpoints and log. A file that several runs hold is counted once for an experiment. A dash: "
    "being looked up.",
    "Owner": "Who started it.",
}
ALL_RUNS = "All runs"
ALL_EXPERIMENTS = "All experiments"
NEWEST, BY_NAME, BY_LOSS, BY_FORGETTING, BY_MINUTES, BY_SIZE = (
    "Newest first", "By name", "Lowest loss first", "Least forgetting first", "Longest first", "Largest first",
)  # fmt: skip
VERBS = {"continued": "Continues", "duplicated": "Duplicate of", "edited": "Started again from"}
BIN_ALT, LOG_ALT = "What is in the bin", "The log of changes"
DAY, MOMENT, MOMENT_IN_FULL = "D MMM YYYY", "D MMM, HH:mm", "D MMM YYYY, HH:mm:ss"


def any_of(label: str) -> str:
    """What an empty filter says."""
    return f"Any {label.lower()}"


def counted(shown: int, of: int, what: str, taken: int | None) -> str:
    """What the table shows, and what that takes on disk."""
    number = plural(shown, what) if shown == of else f"{shown:,} of {plural(of, what)}"
    return number if taken is None else f"{number} · {bytes_size(taken)} on disk"


def chosen(number: int, taken: int | None) -> str:
    return f"**{number:,} chosen**" + ("" if taken is None else f" · {bytes_size(taken)}")


def bin_frees(things: int, taken: int, frees: int) -> str:
    """What is in the bin, and what emptying it frees."""
    shared = (
        f" {bytes_size(taken - frees)} stay: other runs or later ones use these files too." if taken > frees else ""
    )
    return f"{plural(things, 'entry', 'entries')} in the bin. Emptying it frees {bytes_size(frees)}.{shared}"


def emptied(freed: int) -> str:
    return f"The bin is empty. {bytes_size(freed)} are free again."


def ask_to_empty(things: int, frees: int) -> str:
    return f"{plural(things, 'entry', 'entries')} will be deleted for good, which frees {bytes_size(frees)}."


def came_from(
    verb: str, name: str, then: str, run: str, stages: int, folder: str, is_gone: bool,
    changed: Mapping[str, Sequence[str]] | None,
) -> str:  # fmt: skip
    """What something comes from. `then` is its name at that time, "" for today's; without a run, stages after which it
    goes on or a folder these are not said. `changed` is what each field was and is, None where that is not known."""
    renamed = f" (then “{then}”)" if then else ""
    of_run = f", run {run}" if run else ""
    after = f" after {plural(stages, 'stage')}" if stages else ""
    where = f", in {folder}" if folder else ""
    gone = ", which is not here any more" if is_gone else ""
    return f"{verb} {name}{renamed}{of_run}{after}{where}{gone}{_changed(changed)}."


def _changed(fields: Mapping[str, Sequence[str]] | None) -> str:
    if fields is None:
        return ""
    said = "; ".join(f"{name} {now} instead of {was}" for name, (was, now) in fields.items())
    return f", with {said}" if said else ", unchanged"


def data_fact(task: str, documents: int, fingerprint: str) -> str:
    return f"{task}: {exact(documents)} documents, fingerprint {fingerprint}"


def of_experiment(run: str, experiment: str) -> str:
    return f"{run}, of {experiment}"


def utc(at: datetime) -> str:
    return f"{at:%-d %b %Y, %H:%M} UTC"
