"""lm-evaluation-harness beside the probes: its command for a model, and the results that come back from it."""

import time
from collections.abc import Sequence

import streamlit as st

from engine.common.errors import PalimpsestError
from engine.harness.results_file import MOST_BYTES
from engine.insight.harness_evaluations import command_of, doubt, kept_files
from engine.insight.requests import Source
from ui.abilities import words
from ui.server import actions, entrance, session
from ui.server.entrance import for_editors
from ui.understand.models import Models
from ui.widgets.text import plain, plural

USUAL_TASKS = "lambada_openai,arc_easy"
_KEPT = "understand_harness_kept"


def show_harness(models: Models, shown: Sequence[Source]) -> None:
    """The command, the upload and what is kept, of the models that are shown."""
    with st.expander(words.HARNESS, icon=":material/terminal:"):
        st.markdown(words.HARNESS_TEXT)
        left, right = st.columns([2, 3])
        source = left.selectbox(
            words.MODEL,
            shown,
            index=len(shown) - 1,
            format_func=models.names.__getitem__,
            key="understand_harness_model",
            help=words.MODEL_HELP,
        )
        tasks = right.text_input(
            words.TASKS, USUAL_TASKS, key="understand_harness_tasks", max_chars=2000,
            help=words.TASKS_HELP,
        )  # fmt: skip
        _show_command(source, tasks)
        _take_file(models, source)
        _show_kept(models)


def _show_command(source: Source, tasks: str) -> None:
    if not entrance.is_private():
        st.caption(words.COMMAND_ELSEWHERE)
        return
    try:
        st.code(command_of(session.store(), source, tasks), language="bash", wrap_lines=True)
    except PalimpsestError as error:
        st.error(plain(str(error)), icon=":material/error:")


def _take_file(models: Models, source: Source) -> None:
    uploaded = st.file_uploader(
        words.results_of(models.names[source]), type=["json"], key="understand_harness_upload",
        max_upload_size=MOST_BYTES // 10**6,
        **for_editors(words.upload_help(MOST_BYTES)),
    )  # fmt: skip
    if uploaded is None:
        return
    if st.button(
        words.KEEP, key="understand_harness_keep", icon=":material/add_chart:",
        **for_editors(words.KEEP_HELP),
    ):  # fmt: skip
        try:
            kept = actions.keep_harness(source, uploaded.name, uploaded.getvalue())
        except PalimpsestError as error:
            st.error(plain(str(error)), icon=":material/error:")
            return
        left_out = kept.results.left_out
        more = words.left_out(left_out) if left_out else ""
        st.session_state[_KEPT] = words.kept(len(kept.results.values), models.names[source], more, doubt(source, kept))
        st.rerun()


def _show_kept(models: Models) -> None:
    if (message := st.session_state.pop(_KEPT, None)) is not None:
        st.success(plain(message), icon=":material/check:")
    try:
        files = kept_files(session.store(), models.run_ids)
    except PalimpsestError as error:
        st.error(plain(str(error)), icon=":material/error:")
        return
    for source, kept in files:
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(kept.results.kept_at))
        name = models.names[source] if source in models.names else models.stage_name(source)
        said = f"{kept.results.file} · {name} · {plural(len(kept.results.values), 'value')} · {when}"
        left, right = st.columns([8, 1], vertical_alignment="center")
        left.caption(plain(f"{said}. {doubt(source, kept)}".strip()))
        right.button(
            words.DELETE, key=f"understand_harness_delete_{source.run_id}_{kept.kept_id}", type="tertiary",
            icon=":material/delete:", on_click=_delete, args=(source.run_id, kept.kept_id),
            **for_editors(words.DELETE_HELP),
        )  # fmt: skip


def _delete(run_id: str, kept_id: str) -> None:
    try:
        actions.delete_harness(run_id, kept_id)
    except PalimpsestError as error:
        st.toast(plain(str(error)), icon=":material/error:")
