"""A run on a node: its texts and model are brought, it is computed, and its events and files are sent as they come.

Nothing here imports Ray: `Driver` stands for the machine that asked for the run.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from filelock import FileLock, Timeout

from engine.cluster.content_cache import ContentCache, is_common
from engine.cluster.messages import PART_BYTES, Computing, Events, Message, Over
from engine.cluster.node_results import NodeResults
from engine.cluster.sending import RUN, SHARED, FolderSender
from engine.common.errors import PalimpsestError
from engine.events import Evaluated, Event, PointKept, RunFinished, RunStopped, StageFinished, StepDone
from engine.events.control import Control
from engine.execution.worker_process import portable_error
from engine.tasks.texts_beside import GeneralSpec

if TYPE_CHECKING:
    from engine.cluster.job import Job, NeededFile
    from engine.experiments.experiment import Experiment

VARIABLE = "PALIMPSEST_NODE_FOLDER"
"""Names the folder in which a node keeps texts, models and results; under the user's cache folder otherwise."""
_BATCH_SECONDS = 0.5


class Driver(Protocol):
    """The machine that asked for a run, as its node sees it. Every method waits while the network does not answer."""

    def wish(self, ticket: str, known: str) -> str:
        """Return "go on", "pause" or "stop" once it is another one than `known`, or after some seconds."""

    def read(self, ticket: str, needed: NeededFile, offset: int, length: int) -> bytes:
        """Bytes of a file that a job names."""

    def result_files(self, ticket: str, key: str) -> dict[str, int] | None:
        """Names and sizes of the files of a shared result; None where there is none."""

    def read_result(self, ticket: str, key: str, name: str, offset: int, length: int) -> bytes:
        """Bytes of a file of a shared result."""


def node_folder() -> Path:
    """Where this node keeps what it was sent."""
    given = os.environ.get(VARIABLE, "").strip()
    cache = Path(os.environ.get("XDG_CACHE_HOME", "").strip() or "~/.cache").expanduser()
    return Path(given).expanduser() if given else cache / "palimpsest-node"


def run_on_node(job: Job, driver: Driver) -> Iterator[list[Message]]:
    """Compute a run and yield what the other machine is to hear of it, in order. Never raises what ends the run."""
    home = node_folder()
    work = home / "runs" / job.ticket
    control = Control()
    yield [Computing(socket.gethostname())]
    ended: Exception | None = None
    listener = threading.Thread(target=_listen, args=(job.ticket, driver, control), daemon=True)
    lock = _lock_of(work)
    try:
        work.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
        work.mkdir()
        _remove_abandoned(work.parent)
        listener.start()
        yield from _computed(job, driver, home, work, control)
    except PalimpsestError as error:
        ended = type(error)(_with_users_names(str(error), job, work))
    except Exception as error:  # the other machine must hear how the run ended
        ended = portable_error(error)
    finally:
        shutil.rmtree(work, ignore_errors=True)
        lock.release()
        Path(lock.lock_file).unlink(missing_ok=True)
    yield [Over(ended)]


def _computed(job: Job, driver: Driver, home: Path, work: Path, control: Control) -> Iterator[list[Message]]:
    from engine.execution.execute import Attempt, execute_attempt  # loads torch, once the run has said where it is

    common = Path(job.common_folder) if job.common_folder else None
    cache = ContentCache(home / "content", partial(driver.read, job.ticket), common)
    for needed in job.files:
        cache.place(needed, work / needed.name)
    (work / RUN).mkdir(exist_ok=True)
    results = NodeResults(home / SHARED, fetch=partial(_fetch_result, driver, job, common), outgoing=work / SHARED)
    sender = FolderSender(work)
    attempt = Attempt(
        folder=work / RUN,
        control=control,
        finished_stages=job.finished_stages,
        shared=results,
        disk=home,
        point_seconds=job.point_seconds,
        bring=partial(_bring_stage, job, cache, work),
    )
    events = execute_attempt(_here(job, work), job.run, attempt)
    yield from _sent(events, sender, job, work, control)


def _sent(
    events: Iterator[Event], sender: FolderSender, job: Job, work: Path, control: Control
) -> Iterator[list[Message]]:
    """Yield events in batches, and before those that tell of files the files."""
    batch, sent = list[Event](), time.monotonic()
    try:
        for event in events:
            tells_of_files = isinstance(event, PointKept | StageFinished | RunStopped | RunFinished)
            if tells_of_files or (isinstance(event, Evaluated) and event.stage == 0):
                yield from _changes(sender, work)
            batch.append(_for_elsewhere(event, job, work))
            if not isinstance(event, StepDone) or time.monotonic() - sent >= _BATCH_SECONDS:
                yield [Events(tuple(batch), control.paused_seconds)]
                batch, sent = [], time.monotonic()
    except Exception:
        yield [Events(tuple(batch), control.paused_seconds)]
        raise


def _changes(sender: FolderSender, work: Path) -> Iterator[list[Message]]:
    for message in sender.changes():
        yield [message]
    shutil.rmtree(work / SHARED, ignore_errors=True)  # sent, and kept by the node itself


def _here(job: Job, work: Path) -> Experiment:
    """The experiment with its texts and model by their places on this node."""

    def moved(spec: Any) -> Any:
        train, test = (tuple(str(work / name) for name in names) for names in (spec.train, spec.test))
        return spec.model_copy(update={"train": train, "test": test})

    given = job.experiment
    texts = {name: moved(spec) for name, spec in given.beside.items() if spec is not None}
    if job.scores_shipped_text:
        texts["general"] = GeneralSpec.shipped()
    model = str(work / given.model) if (work / given.model).is_dir() else given.model
    return given.model_copy(update={"tasks": tuple(map(moved, given.tasks)), "model": model, **texts})


def _for_elsewhere(event: Event, job: Job, work: Path) -> Event:
    """The event with paths and names as the other machine knows them."""
    if isinstance(event, StepDone | Evaluated):  # name no place
        return event
    changes = {each.name: _named_there(getattr(event, each.name), job, work) for each in fields(event)}
    return replace(event, **changes)


def _named_there(value: Any, job: Job, work: Path) -> Any:
    if isinstance(value, Path):
        return value.relative_to(work / RUN)
    if isinstance(value, str):
        return _with_users_names(value, job, work)
    if isinstance(value, dict):
        return {name: _named_there(each, job, work) for name, each in value.items()}
    if isinstance(value, tuple | list):
        return type(value)(_named_there(each, job, work) for each in value)
    return value


def _with_users_names(text: str, job: Job, work: Path) -> str:
    if str(work) not in text:
        return text
    for name, path in sorted(job.named.items(), key=lambda pair: -len(pair[0])):
        text = text.replace(str(work / name), path)
    return text


def _bring_stage(job: Job, cache: ContentCache, work: Path, folder: Path) -> None:
    """Bring the files of an earlier stage's checkpoint, where a strategy looks at it."""
    for needed in job.stages:
        target = work / needed.name
        if folder in target.parents and not target.exists():
            cache.place(needed, target)


def _fetch_result(driver: Driver, job: Job, common: Path | None, key: str, folder: Path) -> bool:
    there = Path(job.shared_folder)
    if is_common(there, common):
        with contextlib.suppress(FileNotFoundError, shutil.Error):  # it may go at any time
            shutil.copytree(there / key, folder, dirs_exist_ok=True)
        return True  # as far as the sums of its files agree
    files = driver.result_files(job.ticket, key)
    for name, size in (files or {}).items():
        with (folder / name).open("wb") as opened:
            while (offset := opened.tell()) < size:
                part = driver.read_result(job.ticket, key, name, offset, PART_BYTES)
                if not part:
                    return False  # it went meanwhile
                opened.write(part)
    return files is not None


def _listen(ticket: str, driver: Driver, control: Control) -> None:
    """Do what the other machine asks of the run."""
    actions = {"stop": control.stop, "pause": control.pause, "go on": control.resume}
    known = "go on"
    while known != "stop":
        asked = driver.wish(ticket, known)
        if asked != known:
            known = asked
            actions[asked]()


def _remove_abandoned(runs: Path) -> None:
    """Remove the working folders of runs whose process was killed: nobody holds their locks."""
    for folder in [each for each in runs.iterdir() if each.is_dir()]:
        lock = _lock_of(folder)
        with contextlib.suppress(OSError, Timeout), lock.acquire(blocking=False):
            shutil.rmtree(folder, ignore_errors=True)
            Path(lock.lock_file).unlink(missing_ok=True)


def _lock_of(work: Path) -> FileLock:
    return FileLock(work.with_suffix(".lock"))
