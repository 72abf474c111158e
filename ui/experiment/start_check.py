"""The Start button: everything is read before anything is queued, in the background, and what is doubtful is asked."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from engine.common.errors import PalimpsestError
from engine.common.parameters import parameters_of
from engine.common.quoting import visible
from engine.experiments.experiment import Experiment
from engine.experiments.training import Training
from engine.models.choices import EMBEDDED
from engine.persistence.shared_results import SharedResults
from ui.experiment import words
from ui.outlook.expected import expected_seconds
from ui.server import actions, entrance, session, warm_up
from ui.widgets.text import plain

if TYPE_CHECKING:
    from engine.experiments.origin import Origin
    from engine.running.experiment_check import Report

_WANTED = "experiment_check_wanted"
"""The experiment whose start was asked for, and not yet answered."""
_REFUSED = "experiment_check_refused"
"""Why the last start was refused, with the experiment that it was of."""
_AT_ONCE_SECONDS = 1.0
"""The page waits so long for a check before it shows how far it is: most are over by then."""
_log = logging.getLogger(__name__)

Files = tuple[tuple[str, int, float], ...]
"""Paths, sizes and times of change: what tells whether a file is still the one that was read."""
Key = tuple[str, Files]
Started = Callable[[str], None]
"""It is called with the id of the experiment that was queued."""


@dataclass
class Check:
    """A check that a thread makes, for all browsers that ask for the same."""

    done: int = 0
    total: int = 1
    name: str = ""
    report: Report | None = None
    failure: str = ""
    """The reason why it could not be made at all."""
    over: threading.Event = field(default_factory=threading.Event)

    def make(self, experiment: Experiment, shared: SharedResults) -> None:
        """Runs in the thread."""
        try:
            warm_up.finish()
            from engine.running.experiment_check import check  # loads torch, which the page is drawn without

            self.report = check(experiment, shared, self._progress)
        except PalimpsestError as error:
            self.failure = str(error)
        except Exception:
            _log.exception("The check of %s failed", experiment.name)
            self.failure = words.CHECK_FAILED
        finally:
            self.over.set()

    def _progress(self, done: int, total: int, name: str) -> None:
        self.done, self.total, self.name = done, total, name


def start_button(experiment: Experiment | None, label: str) -> None:
    """The button alone; `start_answer` goes below it."""
    if st.button(
        label, key="experiment_start", type="primary", icon=":material/play_arrow:", width="stretch",
        **entrance.for_editors(words.HELP_START, disabled=experiment is None),
    ) and experiment:  # fmt: skip
        entrance.require_change()
        key = st.session_state[_WANTED] = _key(experiment)
        st.session_state.pop(_REFUSED, None)
        if _check(*key).over.is_set():  # of an earlier click: much may be otherwise by now
            _check.clear(*key)
        _check(*key).over.wait(_AT_ONCE_SECONDS)


def start_answer(experiment: Experiment | None, started: Started, origin: Origin | None = None) -> None:
    """Answer a click on Start: how far the reading is, why it can't start, what to confirm; or start it. `origin` is
    what it was made from."""
    key = _key(experiment) if experiment is not None else None
    wanted = st.session_state.get(_WANTED)
    if wanted == key and key is not None and experiment is not None:
        _answer(experiment, key, partial(_start, experiment, started, origin))
    else:  # something was changed since
        st.session_state.pop(_WANTED, None)
        if wanted and key and wanted[0] == key[0]:
            st.info(words.FILES_CHANGED)
    refused_key, refused = st.session_state.get(_REFUSED, (None, ()))
    if refused and refused_key == key:
        st.markdown(words.NOTHING_STARTED)
        for sentence in refused:
            st.error(plain(in_words_of_the_page(sentence)), icon=":material/error:")


def _answer(experiment: Experiment, key: Key, start: Callable[[], None]) -> None:
    check = _check(*key)
    if not check.over.is_set():
        _progress(check)
        return
    refused = (check.failure,) if check.failure else check.report.refused if check.report else ()
    if refused:
        st.session_state[_REFUSED] = key, refused
        del st.session_state[_WANTED]
        _check.clear(*key)  # what was missing may be there at the next click
        return
    remarks = _to_ask_about(check.report) if check.report else []
    if remarks:
        st.markdown(words.NOTHING_STARTED_YET)
    for remark in remarks:
        st.warning(plain(in_words_of_the_page(remark)), icon=":material/help:")
    if not remarks or st.button(
        words.START_ANYWAY, key="experiment_start_anyway", icon=":material/play_arrow:",
        **entrance.for_editors(words.HELP_START_ANYWAY),
    ):  # fmt: skip
        _check.clear(*key)  # the model's folder may be another one by the next start
        start()


def _to_ask_about(report: Report) -> list[str]:
    """What nobody has seen yet: of the experiment, and of each task what was not said when it came to the library."""
    seen = {note for task in session.library().tasks() for note in task.notes}
    found = list(report.remarks)
    for task in report.tasks:
        new = " ".join(remark for remark in task.remarks if visible(remark) not in seen)
        found += [words.remark(words.TASK, task.name, new)] if new else []
    for title, text in ((words.REFERENCE_TEXT, report.reference), (words.GENERAL, report.general)):
        new = " ".join(remark for remark in text.remarks if visible(remark) not in seen) if text is not None else ""
        found += [words.remark(title, text.name, new)] if text is not None and new else []
    return found


def in_words_of_the_page(sentence: str) -> str:
    """Training settings by the labels of their fields: their names are those of experiment files."""
    for declared in parameters_of(Training):
        sentence = sentence.replace(f"training.{declared.name}:", f"{declared.label}:")
    return sentence


@st.fragment(run_every=0.5)
def _progress(check: Check) -> None:
    if check.over.is_set():
        st.rerun()
    text = words.reading(check.name) if check.name else words.READING_MODEL
    st.progress(check.done / max(1, check.total), text=plain(text))


def _start(experiment: Experiment, started: Started, origin: Origin | None) -> None:
    st.session_state.pop(_WANTED, None)
    try:
        experiment_id = actions.start(experiment, expected_seconds(experiment), origin)
    except PalimpsestError as error:
        st.error(plain(str(error)), icon=":material/error:")
        return
    started(experiment_id)


def _key(experiment: Experiment) -> Key:
    """The experiment, and its files as they are: those of its texts, and of a model in a folder."""
    files = [Path(name) for text in experiment.texts for name in (*text.train, *text.test)]
    return experiment.model_dump_json(), tuple(map(_state, (*files, *_model_files(experiment.model))))


def _model_files(name: str) -> list[Path]:
    """Those of a folder. A model of the hub has none here: the next click reads it anew."""
    try:
        folder = Path(name).expanduser()
        return sorted(folder.iterdir()) if name != EMBEDDED and folder.is_dir() else []
    except (OSError, RuntimeError, ValueError):  # no name of a folder at all, or one that may not be read
        return []


def _state(file: Path) -> tuple[str, int, float]:
    try:
        about = file.stat()
    except OSError:
        return str(file), 0, 0.0
    return str(file), about.st_size, about.st_mtime


@st.cache_resource(max_entries=16, show_spinner=False)
def _check(experiment: str, files: Files) -> Check:  # a part of the cache's key
    check = Check()
    shared = SharedResults(session.store().shared_folder)
    thread = threading.Thread(
        target=check.make, args=(Experiment.model_validate_json(experiment), shared), name="check", daemon=True
    )
    thread.start()
    return check
