"""The sentences, labels and help texts of the Tasks page's list and previews; those of the form stand in
`form_words.py`."""

from collections.abc import Sequence

from engine.common.quoting import listed
from figures.numbers import bytes_size, count, exact, plural
from ui.glossary.terms import term
from ui.widgets.text import plain

TITLE = "Tasks"
TITLE_HELP = (
    f"A {term('task')} is a body of text that the model learns in one go, with a part, the {term('held-out text')}, to "
    "measure it by."
)
NO_TASKS = (
    "There are no tasks yet. Take two or more of the samples, or add texts of your own; then set up an experiment that "
    "learns them one after the other."
)
ONE_TASK = "Add at least one more task: forgetting shows when a second one is learnt."
SET_UP, SET_UP_HELP = "Set up an experiment", "Choose model, strategies and seeds for these tasks."
YOURS, ADD, SAMPLES = "Your tasks, in the order of learning", "Add a task", "Samples to start from"
ORDER_HELP = "Experiments offer tasks in this order. Drag a row by its handle, or move it with Up and Down."
SAMPLE_ADD, SAMPLE_TAKEN = "Add", "In the library"
SAMPLE_HELP, SAMPLES_HELP = "Put this sample into the library.", "Put all samples into the library."
FROM_SAMPLES, ADDED = "a sample of the project", "Added."

DRAG = "Drag to another place"
UP, DOWN = "Up", "Down"
UP_HELP, DOWN_HELP = "Move this task one place up.", "Move this task one place down."
PREVIEW, CLOSE = "Preview", "Close"
PREVIEW_HELP = "Sizes, tokens, scripts, lengths and five documents."
MORE, MORE_HELP = "More", "Rename or delete this task."
NEW_NAME, NEW_NAME_HELP = "New name", "As figures shall call it."
RENAME, RENAME_HELP = "Rename", "Keep the new name."
RENAME_NOTE = "Experiments made before keep the old name."
DELETE, DELETE_HELP = "Delete", "Take the task out of the library for good."
DELETE_NOTE = "Experiments that already use it keep its text and can still be run again."

WHOLE, WHOLE_HELP = "Whole", "Shows documents whole, up to 4,000 characters each."
ANOTHER_FIVE, ANOTHER_FIVE_HELP = "Another five", "Draws five other documents."
ONLY_READ, LEARNT = "Only read", "Learnt and scored"

FEW = "Few held out"
FEW_HELD_OUT = 20
"""With n held-out documents the 95% interval of a mean over them is ± t(n − 1)/√n of the spread from document to
document: half of it for 20 documents, 0.7 of it for 10, 1.2 of it for 5. Below, scores say little about new texts."""

# The preview of a task
COUNT_AS = "Count tokens as this model does"
COUNT_AS_HELP = "Models cut text into tokens differently. Type any other model name of the hub, or a local folder."
BELOW_ONE_PERCENT = "below 1\u202f%"
DOCUMENTS, SIZE, TOKENS = "Documents", "Size", "Tokens"
LOADING_TOKENIZER = "Loading the tokenizer …"
COUNTING = "Counting tokens …"
TOKENS_NOT_KNOWN = "not known for this model"
DOCUMENTS_HELP = "Texts that are learnt."
SIZE_HELP = "Bytes in UTF-8."
TOKENS_HELP = "Of texts and prompts, under the chosen model."
READING = "Reading the task …"


def all_in_library(names: Sequence[str]) -> str:
    """What is said once several tasks are kept."""
    return f"{listed(list(names))} are in the library." if len(names) > 1 else in_library(names[0])


def in_library(name: str) -> str:
    """What is said once a task is kept."""
    return f"'{name}' is in the library."


def add_all(missing: int, offered: int) -> str:
    """The button that takes every sample that is not there yet."""
    return f"Add all {missing}" if missing == offered else f"Add the other {missing}"


def facts(
    kind: str, documents: int, train_bytes: int, held_out: int, held_out_bytes: int, on_training: bool
) -> str:  # fmt: skip
    """A task in a line."""
    kinds = {"text": "text", "pairs": "prompt and completion", "chat": "conversations"}
    scored = f"{exact(held_out)} held out ({bytes_size(held_out_bytes)})"
    if on_training:
        scored = "scored on its training text"
    return f"{plural(documents, 'document')} ({bytes_size(train_bytes)}) · {scored} · {kinds[kind]}"


def few_held_out(held_out: int) -> str:
    """The warning of a task whose scores would say little, with a link to the glossary."""
    return (
        f"Only {plural(held_out, 'document is', 'documents are')} held out: how well the model does on new texts is "
        f"then known roughly at best. From {FEW_HELD_OUT} on, a score's {term('95% interval')} is half as wide as "
        "documents differ or less; add documents, or hold out a larger share."
    )


def delete_question(name: str) -> str:
    """Asked before a task goes."""
    return f"Delete **{plain(name)}**? This can't be undone."


def deleted(name: str) -> str:
    """Said once it is gone."""
    return f"'{name}' is deleted."


def added_on(made: str, sources: tuple[str, ...]) -> str:
    """When a task was added, and from which files."""
    named = f" from {', '.join(sources[:5])}" if sources else ""
    more = f" and {len(sources) - 5} more files" if len(sources) > 5 else ""
    return f"Added on {made}{named}{more}."


def documents_title(shown: int, documents: int) -> str:
    """The heading over the documents that are shown."""
    if documents == 1:
        return "**The only document**, as it is learnt"
    if shown == documents:
        return f"**All {exact(documents)} documents**, as they are learnt"
    return f"**{shown} of {exact(documents)} documents, drawn at random**, as they are learnt"


def document_number(number: int) -> str:
    """Which document of the training side it is, from 1."""
    return f"Document {exact(number)}"


def left_out(characters: int) -> str:
    """At the end of a document of which only the beginning is shown."""
    return f"\n… and {plural(characters, 'more character')}"


def of_those_shown(remark: str) -> str:
    """What is said of the documents that are shown."""
    return f"Of the documents shown here: {plain(remark)}"


def rendered_by(template: str) -> str:
    """Over a chat template."""
    return f"Rendered by {template}"


def tokens_held_out(about: str, tokens: int) -> str:
    return f"{about}{count(tokens)} tokens held out"


def documents_held_out(documents: int) -> str:
    return f"{exact(documents)} held out"


def bytes_held_out(held_out_bytes: int) -> str:
    return f"{bytes_size(held_out_bytes)} held out"


def scripts_seen(shares: str) -> str:
    return f"**Scripts seen:** {shares or 'no letters'}"
