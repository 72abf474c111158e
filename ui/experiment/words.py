"""What the Experiment page says: labels, helps and sentences."""

from figures.numbers import bytes_size, count, duration, plural
from ui.widgets.text import plain

TITLE = "Experiment"

# Tasks
TASKS = "Tasks"
NO_TASKS = "There are no tasks yet. Upload texts or take the samples first."
TO_TASKS, HELP_TO_TASKS = "Go to Tasks", "Where tasks are made."
ORDER = "Learnt in this order"
HELP_ORDER = "The model learns them one after the other; forgetting shows on the earlier ones."
CHOOSE_TASKS = "Choose tasks"
ONE_TASK = "With one task nothing can be forgotten; choose two or more for a comparison."
TASK_SETTINGS = "Order and settings of single tasks"
ABOUT_TASK_SETTINGS = "A task's own value goes before a strategy's, and that before the training settings."
ORDERS = "Orders to compare"
HELP_ORDERS = (
    "Every strategy is trained in each of them, with every seed: so the effect of the order can be told from a "
    "strategy's."
)
EARLIER, LATER = "Learn it earlier.", "Learn it later."
FROM_FILE = "(from the loaded file)"

# Model, seeds and training
MODEL = "Base model"
HELP_MODEL = "Every run starts from it."
ANOTHER_MODEL = "Another model …"
OTHER_MODEL = "Name on the hub, or a local folder"
HELP_OTHER_MODEL = "Any causal language model of transformers with safetensors weights; remote code is never run."
EXAMPLE_MODELS = "such as EleutherAI/pythia-70m, or /models/mine"
SEEDS = "Seeds, separated by commas"
HELP_SEEDS = "Each seed repeats every strategy with other draws: only differences between seeds tell what is chance."
TRAINING = "Model and training"
PRESET = "Preset"
HELP_PRESET = (
    "Fills in all training settings: quick for a first look, thorough for results to keep. Quick limits the tokens of "
    "each task, and of what is scored, so that naive, replay and joint take about two minutes together on this machine."
)
ALL_TRAINING = "All training settings"
TO_PRESET, HELP_TO_PRESET = "Back to the preset", "Set every training value as the preset has it."
NAME = "Name"
HELP_NAME = "What lists and exports call this experiment; empty: named after its tasks."
UNNAMED = "named after its tasks"

# Strategies
STRATEGIES = "Strategies"
FIND = "Find a strategy"
HELP_FIND = "Shows the strategies that hold all of these words. Others that are on stay in the list."
FIND_EXAMPLES = "by its name, what it does, or a parameter"
SWITCH_HELP = "Take this strategy into the comparison."
SETTINGS, ABOUT = "Settings", "About"
MORE_SETTINGS = "More settings"
SEVERAL = "Try several values"
HELP_SEVERAL = "Turns every field into a list; each combination of the values becomes a run of its own."
VARIANT, HELP_VARIANT = "Add a variant", "A second card of this strategy, for another setting beside this one."
REMOVE, HELP_REMOVE = "Remove", "Take this card away."
SHARES_DIFFER = "the shares differ"

# The summary
START = "Start"
HELP_START = "Reads everything once more, then queues the runs and opens their live view."
SUMMARY = "Summary"
RUNS, TOKENS, TIME, DISK = "Runs", "Tokens", "Time", "Disk"
HELP_TOKENS = "Read by the training steps of all runs, replayed ones included."
HELP_TIME = "Of all runs, one after the other on one device; what is kept of earlier runs takes none."
WORKING_OUT = "Working out what this takes …"
LIMITING = "Working out how much of each task fits into about two minutes …"
TO_MEND = "To mend before the start"

# What is folded
FURTHER = "Further settings"
ALSO_SCORED = "Also scored"
THIS_MACHINE = "nothing set"
ABOUT_RESOURCES = (
    "Nothing has to be set here. A number of CPUs makes runs compute with as many threads on a large machine as on a "
    "small one, and says how many of them fit on the machines of a cluster."
)
RESOURCES = "Where it runs, and what stays"
CHECKPOINTS = "Checkpoints that stay"
DETAILS = "Time, memory and disk by run"
LOOK_AHEAD = "Look ahead: how hard each task is, and how alike they are"
AS_FILE = "As a file, from the command line, on a cluster"
COMMAND = "With the saved file, in the project's folder. Same configuration and seed, same numbers."
ON_SLURM = (
    "Slurm hands out the machines of many clusters. Save this script as `array.sh` beside the saved file, in the "
    "project's folder there, write in how long a run may take, and type `sbatch array.sh`: runs execute side by side. "
    "Its last line puts their results together."
)
SAVE, SAVE_WITH_DATA = "Save as YAML", "YAML with its data (zip)"
HELP_SAVE = "A file that this page and the command line read. Its first lines say what must lie beside it elsewhere."
HELP_SAVE_WITH_DATA = "The file and all of its texts: unpack it on any machine, and it runs to the same numbers."
HELP_NOT_WITH_DATA = "It names files of the server that are not in its library; those stay there."
FROM_SAVED = "Start from a file"
FILE = "Experiment file (YAML)"
HELP_FILE = "As saved from this page, or written by hand. It replaces what is entered below."
CLEAR, HELP_CLEAR = "Clear the form", "Forget what is entered on this page and begin anew."

# The general text
GENERAL, REFERENCE, GUARDS, NONE, NO, TASK = "General text", "Text of your own", "Guards", "None", "no", "Task"
SHIPPED_TEXT = "The one that comes with Palimpsest (English)"
CHOOSE_TEXT = "Choose a text"
HELP_GENERAL = "A text of the Tasks page, of which the training documents are read. Nothing is trained on it."
NO_GENERAL = "What a model loses beside its tasks is not measured."
ABOUT_GENERAL = "No task touches it: its score and its KL from the base model say what is lost beside the tasks."

# The reference text
NO_TEXT = "There is no text to choose yet: upload one on the Tasks page."
HELP_REFERENCE = (
    "A text of the Tasks page, from whose training documents the reference is drawn. Choose one that is like "
    "what the model shall keep, such as general text. All strategies of the experiment that read it read the same."
)
REFERENCE_IS_TASK = "This text is also a task of this experiment, so the model is held back on what it learns there."

# The check before the start
CHECK_FAILED = "The check failed; the log says why."
FILES_CHANGED = "The files of a task or of the model changed since they were read; start again."
NOTHING_STARTED = "**Nothing was started.** Mend what is said here, then start again."
NOTHING_STARTED_YET = "**Nothing has started yet.** The check found what may not be meant:"
START_ANYWAY = "Start all the same"
HELP_START_ANYWAY = "It is meant as it stands."
REFERENCE_TEXT = "Reference text"
READING_MODEL = "Looking at the model …"

# Guards
OWN_GUARDS = "Guards of your own"
HELP_GUARDS = "Prompts with what must stay true of the model's answers: a set that was kept, or guards of your own."
GUARDS_TO_MEND = "The experiment can't start before what stands below the table is mended."
WRITE_GUARDS = "Write a guard in each row of the table below, or upload a file of them."
NO_GUARDS = "With guards, answers to prompts of yours are checked after every stage."
HELP_GUARD_NAME = "As lists and figures call it; empty: its prompt."
HELP_GUARD_PROMPT = "The model goes on from here. Of a loss it may be empty."
HELP_GUARD_KIND = (
    "contains, equals: without regard to case and white space. matches: a pattern of RE2. likelier: as a "
    "continuation, than all in the next column. loss: of the value as a text, in nats per token."
)
HELP_GUARD_VALUE = "The text, pattern or continuation; or the text of a loss."
HELP_GUARD_THAN = "The less likely continuations; or the largest loss, a number."
HELP_GUARD_CHAT = "The prompt is a user's turn, in the model's chat template."
HELP_GUARD_TOKENS = "An answer ends after so many tokens."
UPLOAD = "Upload"
HELP_UPLOAD = "Take guards from a file."
GUARD_FILE = "File of guards"
HELP_GUARD_FILE = "YAML, JSON, JSON lines, or a table with the fields of a guard as its columns."
REPLACES_GUARDS = "It replaces the guards in the table."
KEEP = "Keep"
HELP_KEEP = "Keep these guards under a name, to choose them again."
SET_NAME = "Name of the set"
HELP_SET_NAME = "As the list of sets shall call it."
KEEP_SET = "Keep as a set"
HELP_KEEP_SET = "Keep these guards."
RENAME = "Rename"
HELP_RENAME = "Give this set another name."
NEW_NAME = "New name"
RENAME_SET = "Rename the set"
HELP_RENAME_SET = "Keep the name."
DELETE = "Delete"
HELP_DELETE = "Delete this set of guards."
DELETE_KEEPS = "The guards stay in this form and in the experiments that hold them."
DELETE_SET = "Delete the set"
HELP_DELETE_SET = "For good."


def no_longer_there(names: str) -> str:
    return f"No longer in the library, so left out: {names}."


def of_size(size: int) -> str:
    return f"{bytes_size(size)} of text"


def preset(epochs: int, limit: int | None, tokens: int | None = None, seconds: float | None = None) -> str:
    """What a preset means for the chosen tasks; without numbers where nothing has been estimated."""
    parts = [plural(epochs, "epoch")]
    if limit is not None:
        parts.append(f"at most {count(limit)} tokens a task")
    if tokens is not None and seconds is not None:
        parts += [f"{count(tokens)} tokens in all", f"about {duration(rounded(seconds))}"]
    return ", ".join(parts)


def rounded(seconds: float) -> float:
    """A time without the seconds or minutes that an estimate does not know."""
    for size in (86_400, 3_600, 60):
        if seconds >= 10 * size:
            return round(seconds / size) * size
    return round(seconds / 10) * 10 if seconds >= 30 else seconds


def changed_from_preset(changes: str) -> str:
    return f"Changed from the preset: {changes}"


def more_strategies(number: int) -> str:
    return f"{plural(number, 'more strategy', 'more strategies')}"


def no_strategy(sought: str) -> str:
    return f"No strategy holds all of “{sought}”. Try one word, such as replay."


def runs_for_each_seed(number: int) -> str:
    return f"{plural(number, 'run')} for each seed"


def start(runs: int) -> str:
    return f"{START} {plural(runs, 'run')}" if runs else START


def help_runs(variants: int, seeds: int, orders: int) -> str:
    product = f"{plural(variants, 'strategy or setting', 'strategies and settings')} × {plural(seeds, 'seed')}"
    return f"{product} × {plural(orders, 'order')}" if orders > 1 else product


def orders(chosen: object) -> str:
    """A choice of the orders of the tasks."""
    if chosen is None:
        return "The listed order alone"
    if isinstance(chosen, int):
        return f"{chosen} orders: the listed one, and others that are drawn"
    return {"all": "All orders", "reversed": "The listed order and its reverse"}.get(
        str(chosen), "The orders of the loaded file"
    )


def help_disk(most: int | None) -> str:
    """What the number of the disk counts; `most` is what lies there at any time at most."""
    meanwhile = "" if most is None else f" At most {bytes_size(most)} while they go on."
    return f"What stays of all runs once they have finished.{meanwhile}"


def no_room(free: int) -> str:
    return f"The disk has room for {bytes_size(free)} more: choose fewer runs, or delete experiments."


def also_scored(general: tuple[str, str], guards: int) -> list[str]:
    """The general text, whose name is safe to print, and the number of guards."""
    kind, name = general
    text = {"shipped": "the shipped general text", "none": "no general text"}.get(kind, f"general text {name}".strip())
    return [text, plural(guards, "guard") if guards else "no guards"]


def edited_run(name: str, finished: int, stages: int) -> str:
    """Above the settings of a run that is edited and started again; `name` is Markdown."""
    if not finished:
        return f"These are the settings of {name}. It has trained no stage yet, so that it begins anew."
    trained = "stage 1" if finished == 1 else f"stages 1 to {finished}"
    onward = f"goes on with stage {finished + 1}" if finished < stages else "has nothing left to train"
    return (
        f"These are the settings of {name}, which has trained {trained}. Change what went wrong: as long as these "
        f"stages learn by the same settings, they are taken over and it {onward}; else it trains again from the first "
        "stage that a change concerns."
    )


def of_loaded_file(name: str) -> str:
    return f"From the loaded file: {name}"


def gone_text(name: str) -> str:
    return f"No longer in the library: {name}."


def touched(name: str) -> str:
    return f"{name} is a task of this experiment, and no task may touch the general text: choose another one."


def from_loaded_file(name: str) -> str:
    return f"{name} (from the loaded file)"


def too_long_file(name: str) -> str:
    return f"{name}: this is far longer than an experiment file; choose another one."


def not_utf8(name: str) -> str:
    return f"{name}: this is not UTF-8 text; save the file as UTF-8."


def files_of_server(name: str, text: str) -> str:
    return f"{name}: {text} names files of the server that are not in its library. Upload the texts on the Tasks page."


def file_not_here(name: str, text: str, missing: str) -> str:
    return (
        f"{name}: {text} names {missing}, which is not on this machine. "
        "A browser sends no folders: write whole paths into the file, or upload the texts on the Tasks page."
    )


def gpus(error: ValueError) -> str:
    return f"GPUs per run: {error}."


def when_to_choose(when: str) -> str:
    return f"**When to choose it:** {when}"


def kept_set(name: str) -> str:
    return f"Kept set: {name}"


def guards_checked(guards: int) -> str:
    return f"{plural(guards, 'guard')}, checked on the base model and after every stage."


def delete_question(name: str) -> str:
    return f"Delete **{plain(name)}**? This can't be undone."


def of_task(name: str) -> str:
    return f"Task: {name}"


def more_mistakes(number: int) -> str:
    return f"And {plural(number, 'more mistake')}."


def reading(name: str) -> str:
    return f"Reading {name} …"


def remark(what: str, name: str, remarks: str) -> str:
    """What the check remarks of a text."""
    return f"{what} '{name}': {remarks}"


def needs_and_cost(needs: str, cost: str, sources: str) -> str:
    """What a strategy needs, what it costs and where it is from; `sources` is Markdown."""
    return f"{needs}.  \n**Cost:** {cost}.  \n**Source:** {sources}"


def cost(what: str) -> str:
    return f"Cost: {what}."
