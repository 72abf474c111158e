"""Experiment files: YAML in, YAML out."""

from pathlib import Path
from typing import TypeVar, get_args

from engine.common.errors import ConfigError
from engine.common.yaml_reading import read_yaml
from engine.common.yaml_writing import yaml_of
from engine.experiments.experiment import Experiment, experiment_from, to_data
from engine.experiments.task_paths import expanded, found_at, written_out
from engine.guards.guard import TEXT_FIELDS, Guard
from engine.guards.guard_files import read_guards
from engine.tasks.spec import TaskSpec

_Spec = TypeVar("_Spec", bound=TaskSpec)
MAX_CHARACTERS = 200_000
"""The largest size of an experiment file; a thousand tasks fit in."""


def _text_fields() -> frozenset[tuple[str, ...]]:
    """The places where an experiment holds texts, be it one or a list: the names of the fields that lead there."""
    found: set[tuple[str, ...]] = {("name",), ("model",), ("reference",)}
    for name, about in TaskSpec.model_fields.items():
        if not {bool, int, float} & {about.annotation, *get_args(about.annotation)}:
            found |= {("tasks", name), ("reference", name)}
    found |= {("guards", name) for name in TEXT_FIELDS}
    return frozenset(found | {("general",), *(("general", *place[1:]) for place in found if place[0] == "reference")})


def parse_experiment(text: str, source: str = "the experiment", folder: Path | None = None) -> Experiment:
    """Read YAML. `source` names the file in errors. Guards stand in it, not in a file of their own, unless it is read
    from a `folder`. Raises ConfigError that names the field."""
    if len(text) > MAX_CHARACTERS:
        raise ConfigError(f"{source}: is longer than {MAX_CHARACTERS:,} characters; an experiment file is a page.")
    data = read_yaml(text, source, _text_fields())
    if not isinstance(data, dict):
        raise ConfigError(f"{source}: expected fields such as name, model, tasks and strategies, one a line.")
    if isinstance(named := data.get("guards"), str):
        data["guards"] = _guards_in(named, source, folder)
    return experiment_from(data, source)


def _guards_in(name: str, source: str, folder: Path | None) -> list[Guard]:
    """The guards of a file beside the experiment's. Raises ConfigError."""
    if folder is None:
        raise ConfigError(f"{source}: guards: a file can't be named here; write its guards into this one, as a list.")
    try:
        return list(read_guards(Path(found_at(written_out(name, folder, "guards"), folder))))
    except ConfigError as error:
        raise ConfigError(f"{source}: guards: {error}") from error


def load_experiment(path: Path) -> Experiment:
    """Read an experiment file; paths are taken from its folder, and may hold ~, environment variables and patterns.

    Raises ConfigError that names the field.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: there is no such file; check the path.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: can't be read as UTF-8 text ({error}).") from error
    experiment = parse_experiment(text, path.name, path.parent)
    try:
        return expanded(experiment, path.parent)
    except ConfigError as error:
        raise ConfigError(f"{path.name}: {error}") from error


def with_absolute_paths(experiment: Experiment, folder: Path) -> Experiment:
    """The same experiment with its task files made independent of the working directory, as they are written.

    They are taken from `folder`; what begins with one of `task_paths.places` and does not lie there is looked up in
    that place. For files that came from elsewhere: they are not to look into this machine's variables and folders.
    """

    def absolute(task: _Spec) -> _Spec:
        train, test = (tuple(found_at(name, folder) for name in names) for names in (task.train, task.test))
        return task.model_copy(update={"train": train, "test": test})

    beside = {name: absolute(text) for name, text in experiment.own_beside.items()}
    return experiment.model_copy(update={"tasks": tuple(map(absolute, experiment.tasks)), **beside})


def to_yaml(experiment: Experiment) -> str:
    """YAML that `parse_experiment` reads back to an equal experiment."""
    return yaml_of(to_data(experiment))
