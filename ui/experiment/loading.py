"""An experiment to begin from: that of the page's address, or one of a file."""

from collections.abc import Mapping
from pathlib import Path

import streamlit as st

from engine.common.errors import ConfigError, PalimpsestError
from engine.common.paths import data_folder, is_file
from engine.common.quoting import shortened
from engine.experiments.experiment import Experiment
from engine.experiments.single_run import experiment_of_run
from engine.experiments.yaml_file import MAX_CHARACTERS, parse_experiment, with_absolute_paths
from engine.strategies.short_names import short_name
from engine.tasks.sample_tasks import FOLDER as SAMPLES_FOLDER
from engine.tasks.spec import TaskSpec
from ui.drafts import keeping
from ui.drafts.draft import ExperimentDraft, draft_of
from ui.experiment import words
from ui.server import entrance, session
from ui.widgets.text import plain

LOADED = "experiment_loaded_from"
"""The experiment of the address that this visit has begun from, or has started."""


def adopt_experiment_of_url(known: Mapping[str, TaskSpec]) -> None:
    """Begin from the experiment that the address names, or from a run of it alone, once for each visit; a draft that
    began so goes on."""
    experiment_id, run_id = session.experiment_in_url(), session.run_in_url()
    if experiment_id is None or st.session_state.get(LOADED) == (run_id or experiment_id):
        return
    st.session_state[LOADED] = run_id or experiment_id
    current = keeping.current(known)
    if current.made_from and (current.made_from[0], current.edited_run) == (experiment_id, run_id):
        return
    try:
        experiment = session.store().experiment(experiment_id)
        name = experiment.name
        if run_id is not None:
            experiment = experiment_of_run(experiment, session.store().run_spec(run_id)[1])
        draft = draft_of(experiment, known)
    except PalimpsestError as error:
        st.error(plain(str(error)), icon=":material/error:")
        return
    draft.made_from, draft.edited_run = (experiment_id, name), run_id
    keeping.replace(draft)


def show_edited_run(draft: ExperimentDraft) -> None:
    """Where the draft is a run that is started again: from which stage it will go on."""
    if draft.edited_run is None:
        return
    try:
        _, spec = session.store().run_spec(draft.edited_run)
        finished = session.store().finished_stages(draft.edited_run)
    except PalimpsestError:  # the run was deleted since
        return
    st.info(words.edited_run(plain(short_name(spec.label)), finished, len(draft.task_names)), icon=":material/edit:")


def take_tasks_of_link(draft: ExperimentDraft, known: Mapping[str, TaskSpec]) -> None:
    """Begin with the whole library where the link from the Tasks page asks for it, unless tasks are chosen already."""
    if st.query_params.pop(session.WITH_LIBRARY, None) and not draft.task_names:
        draft.task_names = list(known)
        draft.moves += 1


def file_section(draft: ExperimentDraft, known: Mapping[str, TaskSpec]) -> None:
    """A file to begin from, and the way to begin anew."""
    with st.popover(words.FROM_SAVED, icon=":material/upload_file:", type="tertiary"):
        uploaded = st.file_uploader(
            words.FILE, type=["yaml", "yml"], key=draft.key("upload"), **entrance.for_editors(words.HELP_FILE)
        )
        if uploaded is not None:
            try:
                experiment = read_experiment(uploaded.name, uploaded.getvalue())
            except ConfigError as error:
                st.error(plain(str(error)), icon=":material/error:")
            else:
                keeping.replace(draft_of(experiment, known))
                st.rerun()
        if st.button(words.CLEAR, key="experiment_clear", icon=":material/restart_alt:", help=words.HELP_CLEAR):
            keeping.start_afresh(known)
            st.rerun()


def read_experiment(name: str, content: bytes) -> Experiment:
    """An uploaded experiment whose files exist. Raises ConfigError."""
    if len(content) > 4 * MAX_CHARACTERS:
        raise ConfigError(words.too_long_file(name))
    try:
        written = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(words.not_utf8(name)) from error
    experiment = with_absolute_paths(parse_experiment(written, name), Path.cwd())
    for text in experiment.texts:
        if not (entrance.is_private() or all(is_of_the_app(Path(path)) for path in (*text.train, *text.test))):
            raise ConfigError(words.files_of_server(name, text.called))
        missing = next((path for path in (*text.train, *text.test) if not is_file(path)), None)
        if missing is not None:
            raise ConfigError(words.file_not_here(name, text.called, shortened(missing, 300)))
    return experiment


def is_of_the_app(path: Path) -> bool:
    """Whether a text is the library's or a sample: others of a shared server's files are not its users' business."""
    return any(path.resolve().is_relative_to(folder) for folder in (data_folder() / "tasks", SAMPLES_FOLDER))
