"""A run as it is sent to a node: its description, and the files that it needs, by their content."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from engine.cluster.nodes import Need
from engine.cluster.sending import RUN
from engine.common.durable_files import PARTIAL, file_hash, files_of
from engine.common.errors import ConfigError, ModelError
from engine.models.choices import EMBEDDED
from engine.persistence.checkpoints import stage_folder
from engine.tasks.library import FACTS, TRAIN
from engine.tasks.texts_beside import GeneralSpec

if TYPE_CHECKING:
    from engine.experiments.experiment import Experiment, RunSpec
    from engine.tasks.spec import TaskSpec

MODEL, TEXTS = "model", "texts"
COMMON = "PALIMPSEST_COMMON_FOLDER"
"""Names a folder that all machines of a cluster have in common: files that lie in it are read there."""


@dataclass(frozen=True)
class NeededFile:
    """A file of this machine that a node needs."""

    name: str
    """Its place in the run's working folder there."""
    content: str
    """The SHA-256 of its bytes."""
    size: int
    path: str
    """Its place on this machine."""


@dataclass(frozen=True)
class Job:
    """All that a node is told of a run."""

    ticket: str
    """Names this attempt and no other."""
    experiment: Experiment
    """Its texts and model by their places in the run's working folder; without the general text that is shipped."""
    scores_shipped_text: bool
    run: RunSpec
    finished_stages: int
    uses_gpu: bool
    files: tuple[NeededFile, ...]
    """The files that the run begins with."""
    stages: tuple[NeededFile, ...]
    """Those of earlier stages, which few strategies look at."""
    point_seconds: float
    shared_folder: str
    """The folder of shared results on the machine that asks."""
    common_folder: str = ""
    """A folder that all machines have in common, by the same path; empty where there is none."""

    @property
    def named(self) -> dict[str, str]:
        """The places in the run's working folder that sentences may name, with the places that users know."""
        own = {each.name: each.path for each in self.files}
        model = {f"{MODEL}/{Path(each.name).parts[1]}": str(Path(each.path).parent) for each in self._model_files}
        return own | model

    @property
    def _model_files(self) -> Iterator[NeededFile]:
        return (each for each in self.files if each.name.startswith(f"{MODEL}/"))


def make_job(
    ticket: str,
    experiment: Experiment,
    run: RunSpec,
    folder: Path,
    finished_stages: int,
    need: Need,
    point_seconds: float,
    shared_folder: Path,
) -> Job:
    """Describe a run for a node that computes with the CPUs and GPUs of `need`. Raises OSError where a file is gone,
    ModelError where the model is."""
    files: list[NeededFile] = []
    is_shipped = experiment.general == GeneralSpec.shipped()
    beside = {name: spec for name, spec in experiment.beside.items() if not (is_shipped and name == "general")}
    tasks = [_moved(spec, f"{TEXTS}/{number}", files) for number, spec in enumerate(experiment.tasks)]
    texts = {name: _moved(spec, f"{TEXTS}/{name}", files) for name, spec in beside.items() if spec is not None}
    model = _model(experiment.model, files)
    texts_there = {"tasks": tuple(tasks), **texts} | ({"general": None} if is_shipped else {})
    resources = experiment.resources.model_copy(update={"cpus": need.cpus})
    portable = experiment.model_copy(update={"model": model, "resources": resources, **texts_there})
    last = stage_folder(folder, finished_stages)
    own = [file for file in _run_files(folder) if not _is_of_stage(file, folder) or last in file.parents]
    earlier = [file for file in _run_files(folder) if file not in own]
    files += [_needed(f"{RUN}/{file.relative_to(folder).as_posix()}", file) for file in own]
    stages = [_needed(f"{RUN}/{file.relative_to(folder).as_posix()}", file) for file in earlier]
    return Job(
        ticket=ticket,
        experiment=portable,
        scores_shipped_text=is_shipped,
        run=run,
        finished_stages=finished_stages,
        uses_gpu=need.gpus > 0,
        files=tuple(files),
        stages=tuple(stages),
        point_seconds=point_seconds,
        shared_folder=str(shared_folder),
        common_folder=common_folder(),
    )


def common_folder() -> str:
    """The folder that all machines have in common, as it was set; empty where none was. Raises ConfigError."""
    given = os.environ.get(COMMON, "").strip()
    if given and not Path(given).is_absolute():
        raise ConfigError(f"{COMMON}: {given!r} is not a whole path; every machine must find it by the same one.")
    return given


def _moved(spec: TaskSpec, place: str, files: list[NeededFile]) -> TaskSpec:
    """The text with its files in `place`: by their own names, and together where they lie together."""
    folders: dict[Path, str] = {}
    names: dict[str, str] = {}
    for given in dict.fromkeys((*spec.train, *spec.test)):
        path = Path(given)
        if path.parent not in folders:
            folders[path.parent] = f"{place}/{len(folders)}"
            if path.name == TRAIN and (path.parent / FACTS).is_file():
                files.append(_needed(f"{folders[path.parent]}/{FACTS}", path.parent / FACTS))
        names[given] = f"{folders[path.parent]}/{path.name}"
        files.append(_needed(names[given], path))
    train, test = (tuple(names[each] for each in paths) for paths in (spec.train, spec.test))
    return spec.model_copy(update={"train": train, "test": test})


def _model(name: str, files: list[NeededFile]) -> str:
    """The model's place in the working folder; every node has the embedded one."""
    if name == EMBEDDED:
        return name
    from engine.models.loading import base_of, locate

    folder = locate(name)
    place = f"{MODEL}/{folder.name}"
    files += [_needed(f"{place}/{file.name}", file) for file in _model_files(folder)]
    base = base_of(folder, name)
    if base != folder and base.name != EMBEDDED:
        from engine.models.adapter_folders import named_base

        given = named_base(folder, name)
        if Path(given).is_absolute():
            raise ModelError(
                f"{name}: it is an adapter for the folder {given}, which other machines would look for in vain; move "
                "the base into the adapter's folder, and write its path from there as base_model_name_or_path."
            )
        files += [_needed(f"{place}/{given}/{file.name}", file) for file in _model_files(base)]
    return place


def _model_files(folder: Path) -> Iterable[Path]:
    return (file for file in sorted(folder.iterdir()) if file.is_file() and not file.name.startswith("."))


def _run_files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    found = (file.relative_to(folder) for file in files_of(folder))
    return [folder / file for file in found if not any(part.endswith(PARTIAL) for part in file.parts)]


def _is_of_stage(file: Path, folder: Path) -> bool:
    return file.relative_to(folder).parts[0].startswith("stage-")


def _needed(name: str, path: Path) -> NeededFile:
    about = path.stat()
    return NeededFile(name, _hash_of(path, about.st_size, about.st_mtime_ns), about.st_size, str(path))


@lru_cache(maxsize=4096)
def _hash_of(path: Path, _size: int, _changed: int) -> str:
    return file_hash(path)
