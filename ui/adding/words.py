"""The texts of the dialog that adds a task."""

from ui.widgets.text import plural

ADD = "Add a task"
ADD_HELP = "Teach its models one more task: the stages so far are kept, and only the new one is trained."
ICON = ":material/playlist_add:"
TASK = "Task"
TASK_HELP = "Tasks of the library that this experiment does not have."
FILE = "A new file…"
UPLOAD = "File"
UPLOAD_HELP = "It becomes a task of the library, read as it is recognised. Several files make one task."
RUNS = "Runs"
RUNS_HELP = "The runs whose models learn the new task."
NAME = "Name of the new experiment"
NAME_HELP = "It stands beside the earlier one, which stays as it is."
START = "Add and train"
START_HELP = "Reads the task, takes the stages so far over and queues the runs."
READING = "Reading the tasks …"
TO_TASKS = "Read it on the Tasks page"
TO_TASKS_HELP = "There you choose how it is read; the file is there already."
NO_FILE = "Choose a file to go on."
SAME_NAME = "This experiment has a task of this name already; give the file another name."


def every_run(count: int) -> str:
    return f"All {plural(count, 'run')}"


def trained(stage: int, runs: int) -> str:
    """What will be trained, in a sentence."""
    return f"Stage {stage} is trained in {plural(runs, 'run')}; earlier stages and what strategies remember are kept."


def documents(train: int, held_out: int) -> str:
    return f"{plural(train, 'document')} to train on, {held_out:,} held out"


def name_of(experiment: str, task: str) -> str:
    return f"{experiment} + {task}"


def unusable(file: str) -> str:
    return f"{file}: nothing in this file can be used."


def these_files(number: int) -> str:
    return f"these {number} files"
