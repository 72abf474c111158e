"""Experiment files: YAML in, YAML out."""

from pathlib import Path

import yaml

from engine.errors import ConfigError
from engine.experiment import Experiment, experiment_from, to_data
from engine.names import shortened
from engine.paths import data_folder

MAX_CHARACTERS = 200_000
"""Of an experiment file; a thousand tasks fit in."""


def parse_experiment(text: str, source: str = "the experiment") -> Experiment:
    """Read YAML. `source` names the file in errors. Raises ConfigError that names the field."""
    if len(text) > MAX_CHARACTERS:
        raise ConfigError(f"{source}: is longer than {MAX_CHARACTERS:,} characters; an experiment file is a page.")
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        problem = shortened(str(getattr(error, "problem", None) or error), 300)
        raise ConfigError(f"{source}{where}: this is not valid YAML ({problem}).") from error
    except RecursionError as error:
        raise ConfigError(f"{source}: is nested too deeply; write it as the documentation does.") from error
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError) as error:
        # What the loader meets in an impossible date, a number of 5,000 digits or a tag on the wrong value.
        raise ConfigError(
            f"{source}: holds a value that is none ({shortened(str(error), 300)}); correct it."
        ) from error
    if not isinstance(data, dict):
        raise ConfigError(f"{source}: expected fields such as name, model, tasks and strategies, one a line.")
    return experiment_from(data, source)


def load_experiment(path: Path) -> Experiment:
    """Read an experiment file; relative task paths are taken from its folder, and so is a model such as ./mine, where
    there is a folder of that name."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: there is no such file; check the path.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: can't be read as UTF-8 text ({error}).") from error
    experiment = with_absolute_paths(parse_experiment(text, path.name), path.parent)
    model = path.parent / experiment.model
    if experiment.model.startswith(("./", "../")) and model.is_dir():
        return experiment.model_copy(update={"model": str(model.resolve())})
    return experiment


def places() -> dict[str, Path]:
    """What relative paths may begin with that need not lie beside the file, and the folder that it stands for here.

    The names are of no other use, so that a path which begins with one means nothing else.
    """
    from engine.tasks.sample_tasks import FOLDER

    return {"palimpsest-tasks": data_folder() / "tasks", "palimpsest-samples": FOLDER}


def with_absolute_paths(experiment: Experiment, folder: Path) -> Experiment:
    """The same experiment with its task files made independent of the working directory.

    They are taken from `folder`; what begins with one of `places` and does not lie there is looked up in that place.
    """

    def absolute(names: tuple[str, ...]) -> tuple[str, ...]:
        try:
            return tuple(str(_found(name, folder)) for name in names)
        except (OSError, RuntimeError) as error:  # links that lead in a circle
            raise ConfigError(f"A path can't be followed ({shortened(str(error), 300)}); check it.") from error

    tasks = tuple(
        task.model_copy(update={"train": absolute(task.train), "test": absolute(task.test)})
        for task in experiment.tasks
    )
    return experiment.model_copy(update={"tasks": tasks})


def _found(name: str, folder: Path) -> Path:
    path = (folder / name).resolve()
    if not name.startswith("palimpsest-") or path.exists():
        return path
    prefix, _, rest = name.partition("/")
    place = places().get(prefix)
    found = (place / rest).resolve() if place else path
    return found if place and found.is_relative_to(place.resolve()) and found.exists() else path


def to_yaml(experiment: Experiment) -> str:
    """YAML that `parse_experiment` reads back to an equal experiment."""
    return yaml.safe_dump(to_data(experiment), sort_keys=False, allow_unicode=True, width=120)
