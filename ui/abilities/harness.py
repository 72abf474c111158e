"""lm-evaluation-harness beside the probes: its command for a model, and the results that come back from it."""

import time
from collections.abc import Sequence

import streamlit as st

from engine.common.errors import PalimpsestError
from engine.harness.results_file import MOST_BYTES
from engine.insight.harness_evaluations import command_of, doubt, kept_files
from engine.insight.requests import Source
from ui.server import actions, entrance, session
from ui.server.entrance import for_editors
from ui.understand.models import Models
from ui.widgets.text import bytes_size, plain, plural

USUAL_TASKS = "lambada_openai,arc_easy"
_KEPT = "understand_harness_kept"


def show_harness(models: Models, shown: Sequence[Source]) -> None:
    """The command, the upload and what is kept, of the models that are shown."""
    with st.expander("More tasks, with lm-evaluation-harness", icon=":material/terminal:"):
        st.markdown(
            "EleutherAI's harness evaluates a checkpoint on hundreds of tasks. It is not part of this program: install "
            "it with `pip install 'lm_eval[hf]'` where its data sets can be downloaded, run the line below there, and "
            "give back the `results_….json` that it writes."
        )
        left, right = st.columns([2, 3])
        source = left.selectbox(
            "Model", shown, index=len(shown) - 1, format_func=models.names.__getitem__, key="understand_harness_model",
            help="The model that the command evaluates, and that a results file is kept with.",
        )  # fmt: skip
        tasks = right.text_input(
            "Tasks", USUAL_TASKS, key="understand_harness_tasks", max_chars=2000,
            help="Names of tasks or groups, with commas between them; `lm_eval ls tasks` lists them.",
        )  # fmt: skip
        _show_command(source, tasks)
        _take_file(models, source)
        _show_kept(models)


def _show_command(source: Source, tasks: str) -> None:
    if not entrance.is_private():
        st.caption(
            "The command names folders of the server, which are shown on its own machine alone: "
            "`python -m engine understand DATA --run RUN --stage STAGE --lm-eval TASKS` prints it there."
        )
        return
    try:
        st.code(command_of(session.store(), source, tasks), language="bash", wrap_lines=True)
    except PalimpsestError as error:
        st.error(plain(str(error)), icon=":material/error:")


def _take_file(models: Models, source: Source) -> None:
    uploaded = st.file_uploader(
        f"Results of {plain(models.names[source])}", type=["json"], key="understand_harness_upload",
        max_upload_size=MOST_BYTES // 10**6,
        **for_editors(f"The results_….json of lm_eval, {bytes_size(MOST_BYTES)} at most. It is read and not executed."),
    )  # fmt: skip
    if uploaded is None:
        return
    if st.button(
        "Keep these results", key="understand_harness_keep", icon=":material/add_chart:",
        **for_editors("Their values become columns of the table above, and stand in results.json."),
    ):  # fmt: skip
        try:
            kept = actions.keep_harness(source, uploaded.name, uploaded.getvalue())
        except PalimpsestError as error:
            st.error(plain(str(error)), icon=":material/error:")
            return
        left_out = kept.results.left_out
        more = f" Left out, since no numbers: {', '.join(left_out[:5])}." if left_out else ""
        st.session_state[_KEPT] = (
            f"{plural(len(kept.results.values), 'value')} kept with {models.names[source]}.{more} {doubt(source, kept)}"
        )
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
            "Delete", key=f"understand_harness_delete_{source.run_id}_{kept.kept_id}", type="tertiary",
            icon=":material/delete:", on_click=_delete, args=(source.run_id, kept.kept_id),
            **for_editors("Delete these results."),
        )  # fmt: skip


def _delete(run_id: str, kept_id: str) -> None:
    try:
        actions.delete_harness(run_id, kept_id)
    except PalimpsestError as error:
        st.toast(plain(str(error)), icon=":material/error:")
