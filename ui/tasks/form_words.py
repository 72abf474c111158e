"""The sentences, labels and help texts of the form that adds a task; the rest of the page has `words.py`."""

from collections.abc import Sequence

from engine.common.quoting import listed, shortened
from figures.numbers import exact, plural
from ui.widgets.text import plain

UPLOAD, PASTE = "Upload files", "Paste text"
SHARE, FILES, TRAINING = "A share", "Files of their own", "Training text"
SPLIT_NAMES = {
    "auto": "Automatic",
    "two blank lines": "At two blank lines",
    "blank line": "At blank lines",
    "line": "Each line",
    "file": "Each file",
}
KINDS = (
    "Any plain text (.txt, .md, source code, subtitles), web pages (.html), tables and conversations (.csv, .tsv, "
    ".xlsx, .jsonl, .json, .parquet), each also as .gz or together in a .zip."
)
ONE_TEXT, PAIR, CHAT = "One text", "Prompt and completion", "Conversations"
YES, NO = "Yes", "No, leave it out"
SEPARATORS = {"\n": "a line break", "\n\n": "a blank line", " ": "a space", "": "nothing"}
DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
WAY = "Where the text comes from"
WAY_HELP = "Files from your machine, or text typed or pasted."
NOTHING_USABLE = "None of this can be used yet. Mend or remove it, or add other files."
NO_HELD_OUT_FILES = "Add the held-out files above, or hold out a share of the documents."
TRAIN_FILES = "Files to train on"
MAKE_TASKS = " Several files make one task, or a task each."
SEVERAL_FILES, ONE_TASK, TASK_EACH = "These files are", "One task", "A task each"
SEVERAL_FILES_HELP = (
    "One task: all their documents are learnt together. A task each: they are learnt one after the other."
)
NAME_OF_EACH_HELP = "How experiments and figures call it. Empty: the name of the file."
ADD_EACH_HELP = "Keep these tasks, in the order of the files; they can then be used in any number of experiments."
STAYS_HERE = " Nothing leaves this machine."
PASTED = "Text to train on"
PASTED_EXAMPLE = "Paste text here, documents separated by blank lines, then press Ctrl+Enter."
PASTED_HELP = "Plain text; how it is cut into documents is chosen below."
PASTED_NAME = "pasted text"
SPLIT = "Where documents end"
SPLIT_HELP = "Documents are learnt independently of each other, and are held out whole."
HELD_OUT = "Held-out text"
HELD_OUT_HELP = (
    "Text that is never trained on: every score is measured on it. Where there is too little to hold any "
    "out, the training text itself can be scored; such scores are marked."
)
BRINGS_HELD_OUT = "The file brings rows to hold out: those are scored on."
SHARE_HELD_OUT = "Share held out"
SHARE_HELD_OUT_HELP = "Share of the documents, chosen at random but always the same ones."
HELD_OUT_FILES = "Held-out files"
READ_ALIKE = " Read with the same columns and split."
NAME = "Name of the task"
NAME_EXAMPLE = "such as: support tickets"
NAME_HELP = "How experiments and figures call it. Empty: the name of the first file."
ON_TRAINING = "Score it on its own training text"
ON_TRAINING_HELP = "Nothing is held out then; wherever such a score stands it is marked."
UNNAMED = "new task"
ADD = "Add to the library"
ADD_HELP = "Keep this task; it can then be used in any number of experiments."
PREVIEW = "Preview"

# Columns of tables
COLUMNS = "What is learnt from the table"
COLUMNS_HELP = (
    "One column as a whole; a completion, given a prompt that is only read; or the assistant's turns of conversations."
)
TURNS = "What is learnt of a conversation"
ASSISTANTS_TURNS = "The assistant's turns"
ALL_TURNS = "All turns"
TURNS_HELP = "The other turns are read, and never scored."
TEXT_COLUMN = "Text column"
TEXT_COLUMN_HELP = "Each row's text is one document."
CHAT_COLUMN_HELP = "Lists of messages with their roles; each row is one conversation."
CHAT_COLUMN = "Column of conversations"
PROMPT_COLUMNS = "Prompt columns"
PROMPT_COLUMNS_HELP = "What is given: it is read and never scored. Several columns are joined by a blank line."
COMPLETION_COLUMN = "Completion column"
COMPLETION_COLUMN_HELP = "What is learnt and scored."
SYSTEM_COLUMN = "System column"
HISTORY_COLUMN = "History column"
SYSTEM_COLUMN_HELP = "What is said before a conversation."
HISTORY_COLUMN_HELP = "Earlier questions and answers."
WHICH_PROMPT = "Which is the prompt?"
WHICH_PROMPT_HELP = "The other one is what is learnt."
IS_SYSTEM = "Is it said before each conversation?"
IS_SYSTEM_HELP = "If not, it is not used."
MODELS_TEMPLATE_OR_PLAIN = "The model's own, else a plain one"
NO_TEMPLATE = "None: joined by a separator"
PLAIN_TEMPLATE = "The plain one"
MODELS_TEMPLATE = "The model's own"
CHAT_TEMPLATE = "Chat template"
AS_CONVERSATION = "As a conversation"
TEMPLATE_HELP = (
    "How the turns become one text. Models for chat bring a template; the plain one writes each turn "
    "under the name of its role. The preview below shows what comes of it."
)
SEPARATOR = "Between prompt and completion"
SEPARATOR_HELP = r"It belongs to the prompt. Type any other text; \n stands for a line break."

# Uploaded files
REMOVE = "Remove"
REMOVE_HELP = "Take this file out of the new task."
ENCODING = "Encoding"
ENCODING_HELP = "The encoding of this file. Choose another one where letters look wrong."
READING = "Reading"
READING_HELP = "How the rows and columns of this file are read. Choose another way where the preview looks wrong."
HEADER = "first row is a header"
NO_HEADER = "no header"
QUOTES_ARE_TEXT = "quotation marks are text"
FRONT_MATTER = "Learn the front matter, too"
FRONT_MATTER_HELP = "The settings between two lines at the top of a Markdown file, such as its title."
RECOGNISE = "Recognise it"
SEVERAL_RECOGNISED = "Several, recognised"
NOT_RECOGNISED = "Not recognised"
TABLES = {"jsonl": "JSON Lines", "json": "JSON", "parquet": "Parquet", "xlsx": "Excel"}
NOT_READABLE = "not readable"


def scored_on_training(learnt: int) -> str:
    return f"**{plural(learnt, 'document')}** to train on, and to be scored on: **nothing is held out**."


def divided(learnt: int, held_out: int) -> str:
    return f"**{plural(learnt, 'document')}** to train on and **{exact(held_out)}** held out."


def outcome(learnt: int, held_out: int, on_training: bool) -> str:
    """What becomes of the documents of a task."""
    return scored_on_training(learnt) if on_training else divided(learnt, held_out)


def name_of(file: str) -> str:
    """The label of the name of one of several tasks."""
    return f"Name of the task of {plain(shortened(file))}"


def add_each(tasks: int) -> str:
    """The button that keeps all of them."""
    return f"Add {plural(tasks, 'task')} to the library"


def fine_files(files: int, size: str) -> str:
    return f"{files} files read without trouble, {size}"


def doubtful_encoding(name: str, encoding: str, how: str) -> str:
    return (
        f"{plain(name)} was read as **{encoding}** because of "
        f"{plain(how)}. Is this right? If not, choose another encoding."
    )


def no_column(table: str, column: str, there: list[str]) -> str:
    return f"{table}: there is no column '{shortened(column)}', so the file is left out; it has {listed(there)}."


def split_gives(split: str, used: Sequence[str], documents: int) -> str:
    """A way to cut texts, and how many documents it gives; `used` are those that the automatic one comes to."""
    meaning = " and ".join(SPLIT_NAMES[each].lower() for each in used)
    name = f"{SPLIT_NAMES[split]} ({meaning})" if split == "auto" else SPLIT_NAMES[split]
    return f"{name}: {plural(documents, 'document')}"


def these_files(files: int) -> str:
    return f"these {files} files"


def shape(rows: int, columns: int) -> str:
    return f"{plural(rows, 'row')} × {plural(columns, 'column')}"


def between(delimiter: str) -> str:
    return f"{DELIMITERS.get(delimiter, repr(delimiter))} between"


def recognised(encoding: str) -> str:
    return f"{encoding} (recognised)"


def inside(files: int) -> str:
    """Of an archive."""
    return f"{plural(files, 'file')} inside"


def text_of(format: str, characters: int) -> str:
    return f"{'Markdown' if format == 'md' else 'plain text'}, {exact(characters)} characters"


def table_of(format: str, rows: int, columns: int, delimiter: str) -> str:
    """The recognised form of a table; without a delimiter that has a name, none is said."""
    divided_by = f" between {DELIMITERS[delimiter]}" if delimiter in DELIMITERS else ""
    return f"{TABLES.get(format, format.upper())} table, {exact(rows)} rows × {plural(columns, 'column')}{divided_by}"
