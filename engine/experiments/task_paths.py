"""The paths of an experiment file as people write them: ~, environment variables, patterns, and all from its folder."""

import glob
import os
import re
from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path
from typing import TypeVar

from engine.common.errors import ConfigError
from engine.common.paths import data_folder, is_file
from engine.common.quoting import shortened
from engine.experiments.experiment import Experiment
from engine.models.choices import EMBEDDED
from engine.tasks.spec import TaskSpec

MOST_FILES = 10_000
"""That one pattern may stand for."""
_Spec = TypeVar("_Spec", bound=TaskSpec)
_VARIABLE = re.compile(r"\$(?:(\w+)|\{([^{}]+)\})")
_PATTERN = re.compile(r"[*?\[]")


def expanded(experiment: Experiment, folder: Path) -> Experiment:
    """The same experiment with every file and model folder by its whole path, seen from `folder`.

    A name that is that of a file is meant as it stands, whatever characters are in it. Raises ConfigError for a
    variable that is not set and a pattern that matches nothing.
    """
    tasks = [_with_files(task, f"tasks.{number}", folder) for number, task in enumerate(experiment.tasks, start=1)]
    beside = {name: _with_files(text, name, folder) for name, text in experiment.own_beside.items()}
    found = {"tasks": tuple(tasks), "model": _model(experiment.model, folder), **beside}
    return experiment.model_copy(update=found)


def places() -> dict[str, Path]:
    """The names that a relative path may begin with without lying beside the file, each with the folder it stands for.

    The names are of no other use, so that a path which begins with one means nothing else.
    """
    from engine.tasks.sample_tasks import FOLDER

    return {"palimpsest-tasks": data_folder() / "tasks", "palimpsest-samples": FOLDER}


def found_at(name: str, folder: Path) -> str:
    """The whole path of a file that is named from `folder`, or from one of `places`. Raises ConfigError."""
    path = Path(_whole(folder / name))
    prefix, _, rest = name.partition("/")
    if not name.startswith("palimpsest-") or path.exists() or prefix not in places():
        return str(path)
    place = places()[prefix]
    found = Path(_whole(place / rest))
    return str(found if found.is_relative_to(place.resolve()) and found.exists() else path)


def _with_files(task: _Spec, place: str, folder: Path) -> _Spec:
    train = _files(task.train, folder, f"{place}.train")
    test = _files(task.test, folder, f"{place}.test")
    both = sorted(set(train) & set(test))
    if both and any(_is_pattern(name, folder) for name in (*task.train, *task.test)):
        raise ConfigError(
            f"{place}: {shortened(both[0], 300)} would be trained on and held out as well; write train or test "
            "so that only one of them stands for it."
        )
    return task.model_copy(update={"train": train, "test": test})


def _files(names: Iterable[str], folder: Path, field: str) -> tuple[str, ...]:
    """Whole paths in the order of `names`, those of a pattern sorted; a file that two of them stand for comes once."""
    found: list[str] = []
    for name in names:
        written = written_out(name, folder, field)
        if not _is_pattern(name, folder):
            found.append(found_at(written, folder))
            continue
        matches = _matches(written, folder, field, Path.is_file)
        found += [path for path in map(_whole, matches) if path not in found]
    return tuple(found)


def _model(name: str, folder: Path) -> str:
    """A folder beside the experiment file, or one by ~, a variable or a pattern; any other name as it is."""
    if name == EMBEDDED:
        return name
    written = written_out(name, folder, "model")
    if _PATTERN.search(written) and not (folder / written).is_dir():
        found = _matches(written, folder, "model", Path.is_dir)
        if len(found) > 1:
            raise ConfigError(f"model: {shortened(name)!r} stands for {len(found)} folders; write which one it is.")
        return _whole(found[0])
    try:
        here = folder / written
        holds_one = any((here / file).is_file() for file in ("config.json", "adapter_config.json"))
        is_folder = holds_one or (written.startswith(("./", "../")) and here.is_dir())
        return _whole(here) if is_folder else written
    except (OSError, ValueError):
        return written


def written_out(name: str, folder: Path, field: str) -> str:
    """`name` with ~ and environment variables replaced. Raises ConfigError for a variable that is not set."""
    if is_file(folder / name):
        return name

    def value(found: re.Match[str]) -> str:
        variable = found[1] or found[2]
        if variable not in os.environ:
            raise ConfigError(
                f"{field}: the environment variable {shortened(variable)} in {shortened(name, 300)!r} is not set; set "
                "it, or write the path."
            )
        return os.environ[variable]

    replaced = _VARIABLE.sub(value, name)
    return os.path.expanduser(replaced) if replaced.startswith("~") else replaced  # noqa: PTH111 - unknown users stay


def _is_pattern(name: str, folder: Path) -> bool:
    return _PATTERN.search(name) is not None and not is_file(folder / name)


def _matches(pattern: str, folder: Path, field: str, wanted: Callable[[Path], bool]) -> list[Path]:
    """Return the paths that a pattern stands for, sorted; at least one. Raises ConfigError."""
    paths = (folder / name for name in glob.iglob(pattern, root_dir=folder, recursive=True))  # noqa: PTH207 - of folder
    found = sorted(islice((path for path in paths if wanted(path)), MOST_FILES + 1))
    if not found:
        raise ConfigError(
            f"{field}: {shortened(pattern, 300)!r} matches nothing in {shortened(str(folder), 300)}; check the pattern."
        )
    if len(found) > MOST_FILES:
        raise ConfigError(f"{field}: {shortened(pattern, 300)!r} matches more than {MOST_FILES:,} files; narrow it.")
    return found


def _whole(path: Path) -> str:
    try:
        return str(path.resolve())
    except (OSError, RuntimeError) as error:  # links that lead in a circle
        raise ConfigError(f"A path can't be followed ({shortened(str(error), 300)}); check it.") from error
