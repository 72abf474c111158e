"""The Start button: everything is read before anything is queued, in the background, and what is doubtful is asked."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from engine.common.errors import PalimpsestError
from engine.experiments.experiment import Experiment
from engine.persistence.shared_results import SharedResults
from ui.experiment.expected import expected_seconds
from ui.server import actions, entrance, session, warm_up
from ui.widgets.text import plain

if TYPE_CHECKING:
    from engine.running.experiment_check import Report

_WANTED = "experiment_check_wanted"
"""The experiment whose start was asked for, and not yet answered."""
_REFUSED = "experiment_check_refused"
"""Why the last start was refused, with the experiment that it was of."""
_AT_ONCE_SECONDS = 1.0
"""The page waits so long for a check before it shows how far it is: most are over by then."""
_log = logging.getLogger(__name__)

Key = tuple[str, tuple[float, ...]]
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
            self.failure = "The check failed; the log says why."
        finally:
            self.over.set()

    def _progress(self, done: int, total: int, name: str) -> None:
        self.done, self.total, self.name = done, total, name


def start_button(experiment: Experiment | None, label: str) -> None:
    """The button alone; `start_answer` goes below it."""
    if st.button(
        label, key="experiment_start", type="primary", icon=":material/play_arrow:",
        **entrance.for_editors(
            "Reads everything once more, then queues the runs and opens their live view.", disabled=experiment is None
        ),
    ) and experiment:  # fmt: skip
        entrance.require_change()
        st.session_state[_WANTED] = _key(experiment)
        st.session_state.pop(_REFUSED, None)
        _check(*_key(experiment)).over.wait(_AT_ONCE_SECONDS)


def start_answer(experiment: Experiment | None, started: Started) -> None:
    """Answer a click on Start: how far the reading is, why it can't start, what to confirm; or start it."""
    key = _key(experiment) if experiment is not None else None
    if st.session_state.get(_WANTED) == key and key is not None and experiment is not None:
        _answer(experiment, key, started)
    else:  # something was changed since
        st.session_state.pop(_WANTED, None)
    refused_key, refused = st.session_state.get(_REFUSED, (None, ()))
    for sentence in refused if refused_key == key else ():
        st.error(plain(sentence), icon=":material/error:")


def _answer(experiment: Experiment, key: Key, started: Started) -> None:
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
    remarks = check.report.remarks if check.report else ()
    for remark in remarks:
        st.warning(plain(remark), icon=":material/help:")
    if not remarks or st.button(
        "Start all the same", key="experiment_start_anyway", icon=":material/play_arrow:",
        **entrance.for_editors("It is meant as it stands."),
    ):  # fmt: skip
        _check.clear(*key)  # the model's folder may be another one by the next start
        _start(experiment, started)


@st.fragment(run_every=0.5)
def _progress(check: Check) -> None:
    if check.over.is_set():
        st.rerun()
    text = f"Reading {check.name} …" if check.name else "Looking at the model …"
    st.progress(check.done / max(1, check.total), text=plain(text))


def _start(experiment: Experiment, started: Started) -> None:
    st.session_state.pop(_WANTED, None)
    try:
        experiment_id = actions.start(experiment, expected_seconds(experiment))
    except PalimpsestError as error:
        st.error(plain(str(error)), icon=":material/error:")
        return
    started(experiment_id)


def _key(experiment: Experiment) -> Key:
    """The experiment, and when its files were changed."""
    files = [Path(name) for task in experiment.tasks for name in (*task.train, *task.test)]
    return experiment.model_dump_json(), tuple(_changed_at(file) for file in files)


def _changed_at(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except OSError:
        return 0.0


@st.cache_resource(max_entries=16, show_spinner=False)
def _check(experiment: str, changed_at: tuple[float, ...]) -> Check:  # a part of the cache's key
    check = Check()
    shared = SharedResults(session.store().shared_folder)
    thread = threading.Thread(
        target=check.make, args=(Experiment.model_validate_json(experiment), shared), name="check", daemon=True
    )
    thread.start()
    return check
