"""A script that has Slurm execute the runs of an experiment as the tasks of an array, each into a folder of its own."""

import math
import shlex

from engine.common.quoting import slug_of
from engine.experiments.experiment import Experiment

MANY = 1000
"""An array of more tasks than this is more than many clusters take at once."""
SECONDS_TO_STOP = 120
"""The time before the limit at which a run is asked to stop and keep what it reached."""


def slurm_script(experiment: Experiment, file: str, out: str, python: str = "python", folder: str | None = None) -> str:
    """The script, to be given to `sbatch`. `file` holds the experiment, results come under `out`; the script goes to
    `folder` first, where it is named: that of this program, from which `python -m engine` is found.

    Whatever stands in the names and paths, each stays one word of a command, and no line of the script is begun by
    them. The time limit is left open, and `sbatch` refuses the script until it is set.
    """
    runs, name = len(experiment.runs()), slug_of(experiment.name) or "palimpsest"
    command, place = f"{_word(python)} -m engine", _word(out)
    task = f'{place}/"$SLURM_ARRAY_TASK_ID"'
    lines = [
        "#!/bin/bash",
        *_directives(experiment, name, runs),
        "",
        f"# Each task of this array executes one of the {runs} runs of the experiment, into a folder of its own.",
        "# Tasks share no stages: what runs of one machine would train once, each task trains for itself.",
        "# Give this script to sbatch again to go on with runs that were cut short; finished ones end at once.",
        "set -eu",
        ': "${SLURM_ARRAY_TASK_ID:?give this script to sbatch, which numbers its tasks}"',
        *([] if folder is None else [f"cd {_word(folder)}"]),
        f"mkdir -p {place}",
        "# exec: the signal before the time limit goes to the run itself, which stops and keeps what it reached.",
        f'exec {command} run {_word(file)} --out {task} --only "$SLURM_ARRAY_TASK_ID" --resume',
        "",
        "# Once all tasks have ended, this makes one folder of results of theirs:",
        *([] if folder is None else [f"# cd {_word(folder)}"]),
        f"# {command} join {place}/*/ --out {_word(out.rstrip('/') + '-joined')}",
    ]
    return "\n".join(lines) + "\n"


def _directives(experiment: Experiment, name: str, runs: int) -> list[str]:
    """What sbatch reads."""
    asked = [f"--job-name={name}", f"--array=1-{runs}", "--nodes=1", "--ntasks=1"]
    if experiment.resources.cpus is not None:
        asked.append(f"--cpus-per-task={experiment.resources.cpus}")
    gpus = experiment.resources.gpus
    if gpus is None and experiment.training.device == "cuda":
        gpus = 1.0
    if gpus:
        asked.append(f"--gres=gpu:{math.ceil(gpus)}")
    asked += ["--requeue", "--open-mode=append", f"--signal=B:TERM@{SECONDS_TO_STOP}"]
    lines = [f"#SBATCH {each}" for each in asked]
    if runs > MANY:
        lines.append(
            f"# Many clusters take {MANY:,} tasks at once or fewer: sbatch --array=1-{MANY} SCRIPT, and so on."
        )
    if gpus is None and experiment.training.device == "auto":
        lines.append("# The experiment does not say whether a run needs a GPU; --gres=gpu:1 asks for one.")
    if gpus and gpus < 1:
        lines.append(f"# A run wants {gpus:g} of a GPU; Slurm gives whole ones, unless your cluster shares them.")
    lines += [
        "# Write how long a run may take, such as 04:00:00, into the next line; sbatch refuses it as it is.",
        "#SBATCH --time=HOURS:MINUTES:SECONDS",
    ]
    return lines


def _word(text: str) -> str:
    """A text as one word of a command on one line, whatever stands in it."""
    if text.isprintable():
        return shlex.quote(text)
    return "$'" + "".join(map(_escaped, text)) + "'"


def _escaped(character: str) -> str:
    if character in "\\'":
        return f"\\{character}"
    if character.isprintable():
        return character
    return "".join(f"\\x{byte:02x}" for byte in character.encode(errors="surrogateescape"))
