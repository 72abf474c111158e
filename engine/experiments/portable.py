"""Experiments that other machines can run: paths from the file's own folder, and on request the texts along with it."""

import io
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TypeVar

from engine.common.errors import TaskError
from engine.common.quoting import listed, safe_name, visible
from engine.experiments.experiment import Experiment
from engine.experiments.task_paths import places
from engine.experiments.yaml_file import to_yaml
from engine.models.choices import EMBEDDED
from engine.tasks.spec import TaskSpec

_Spec = TypeVar("_Spec", bound=TaskSpec)
FILE, DATA = "experiment.yaml", "data"


@dataclass(frozen=True)
class Portable:
    """An experiment that names no place of this machine."""

    experiment: Experiment
    files: dict[str, Path]
    """Each path that its texts name, and where that file lies here."""
    names_model_folder: bool
    """Whether its model is a folder, which is named and never saved along."""


def portable(experiment: Experiment, with_data: bool = False) -> Portable:
    """The experiment with every path relative to the folder that its file is to lie in.

    Texts of the library and samples keep their place there, under the names that `task_paths.places` explains;
    others, and all of them `with_data`, get one in `data/`, by the name of their task or of a text beside
    them.
    """
    known = {} if with_data else places()
    files: dict[str, Path] = {}
    folders = set[str]()

    def moved(spec: _Spec) -> _Spec:
        folder = f"{DATA}/{_free(safe_name(spec.name, 60), folders)}"
        named, used = dict[str, str](), set[str]()
        for path in dict.fromkeys((*spec.train, *spec.test)):
            name = _known(Path(path), known) or f"{folder}/{_free(safe_name(Path(path).name), used)}"
            named[path], files[name] = name, Path(path)
        return _renamed(spec, named)

    own = {name: spec for name, spec in experiment.beside.items() if spec is not None and spec in experiment.texts}
    tasks, beside = tuple(map(moved, experiment.tasks)), {name: moved(spec) for name, spec in own.items()}
    model = _portable_model(experiment.model)
    kept = experiment.model_copy(update={"tasks": tasks, "model": model, **beside})
    return Portable(kept, files, model.startswith("."))


def portable_yaml(experiment: Experiment) -> str:
    """The experiment's YAML with relative paths; its first lines say what must lie beside it."""
    found = portable(experiment)
    own = [name for name in found.files if name.startswith(f"{DATA}/")]
    lines = []
    if own:
        lines.append(f"Paths start from the folder of this file. Lay beside it: {listed([visible(n) for n in own])}.")
    for prefix, folder in places().items():
        if any(name.startswith(f"{prefix}/") for name in found.files):
            what = "the library of the Palimpsest that saved this" if folder.name == "tasks" else "every Palimpsest"
            lines.append(f"{prefix}/ is found in {what}; on any other, lay a folder of that name beside this file.")
    if any(not name.startswith("palimpsest-samples/") for name in found.files):
        lines.append("On the Experiment page, 'YAML with its data' saves the texts along with it.")
    return _commented(lines + _about_model(found)) + to_yaml(found.experiment)


def write_with_data(experiment: Experiment, file: IO[bytes]) -> None:
    """Write a zip of one folder: the experiment's YAML and all of its texts, which run anywhere to the same numbers.

    Raises TaskError where a text can't be read.
    """
    found = portable(experiment, with_data=True)
    lines = [f"All of its texts lie in {DATA}/ beside this file; keep them together."]
    text = _commented(lines + _about_model(found)) + to_yaml(found.experiment)
    top = safe_name(experiment.name)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{top}/{FILE}", text)
        for name, path in found.files.items():
            try:
                archive.write(path, f"{top}/{name}")
            except (OSError, ValueError) as error:
                raise TaskError(
                    f"{path.name}: this text can't be read any more, so it can't be saved along; put it back, or "
                    "choose the task anew."
                ) from error


def zip_with_data(experiment: Experiment) -> bytes:
    """The zip of `write_with_data`. Raises TaskError as it does."""
    file = io.BytesIO()
    write_with_data(experiment, file)
    return file.getvalue()


def model_label(model: str) -> str:
    """The model as other machines may see it named: a folder by its own name, without the way to it."""
    return _portable_model(model).removeprefix("./")


def _known(path: Path, known: dict[str, Path]) -> str | None:
    """A path in a place that every Palimpsest can look up."""
    for prefix, folder in known.items():
        if path.is_relative_to(folder):
            return f"{prefix}/{path.relative_to(folder).as_posix()}"
    return None


def _renamed(task: _Spec, named: dict[str, str]) -> _Spec:
    train, test = (tuple(named[path] for path in paths) for paths in (task.train, task.test))
    return task.model_copy(update={"train": train, "test": test})


def _portable_model(model: str) -> str:
    """A folder's own name, as one that is looked for beside the file; other names as they are."""
    if model == EMBEDDED:
        return model
    try:
        is_folder = model.startswith(("/", "~")) or Path(model).is_absolute() or Path(model).is_dir()
    except (OSError, ValueError):
        is_folder = False
    return f"./{Path(model).name}" if is_folder else model


def _about_model(found: Portable) -> list[str]:
    if not found.names_model_folder:
        return []
    return [
        f"The model {visible(found.experiment.model)} is a folder that is not saved along: lay it beside this file, or "
        "write into the field `model` where it lies."
    ]


def _commented(lines: Iterable[str]) -> str:
    return "".join(f"# {line}\n" for line in ("Run it with: python -m engine run THIS-FILE.yaml --out FOLDER", *lines))


def _free(name: str, taken: set[str]) -> str:
    """`name`, or with a number before its ending where that is taken, even in a system that takes A for a."""
    stem, suffix = Path(name).stem, Path(name).suffix
    number, free = 1, name
    while free.casefold() in taken:
        number += 1
        free = f"{stem}-{number}{suffix}"
    taken.add(free.casefold())
    return free
