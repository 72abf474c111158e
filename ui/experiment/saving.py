"""The experiment taken elsewhere: as a file, with its data, from the command line, on a cluster."""

import shlex
from functools import partial
from pathlib import Path

import streamlit as st

from engine.common.quoting import safe_name
from engine.experiments.experiment import Experiment
from engine.experiments.portable import portable_yaml, zip_with_data
from engine.running.slurm_script import slurm_script
from ui.drafts.draft import ExperimentDraft
from ui.experiment import words
from ui.experiment.loading import is_of_the_app
from ui.server import entrance
from ui.widgets.forms import folding


def saving_section(draft: ExperimentDraft, experiment: Experiment | None) -> None:
    """Folded away, and drawn once it is opened."""
    folded = folding(words.AS_FILE, draft.key("as_file"), icon=":material/download:")
    if not folded.open:
        return
    with folded:
        name = f"{safe_name(experiment.name, 120)}.yaml" if experiment else "experiment.yaml"
        with st.container(horizontal=True):
            _save_buttons(experiment)
        st.caption(words.COMMAND)
        st.code(f"python -m engine run {shlex.quote(name)} --out results", language="bash")
        if experiment:
            st.code(portable_yaml(experiment), language="yaml")
            st.caption(words.ON_SLURM)
            st.code(slurm_script(experiment, name, "results"), language="bash")


def _save_buttons(experiment: Experiment | None) -> None:
    """The experiment as a file, alone or with all of its texts."""
    name = safe_name(experiment.name, 120) if experiment else "experiment"
    st.download_button(
        words.SAVE, portable_yaml(experiment) if experiment else "", f"{name}.yaml", "application/yaml",
        key="experiment_save", icon=":material/download:", disabled=experiment is None, on_click="ignore",
        help=words.HELP_SAVE,
    )  # fmt: skip
    others = experiment is not None and not may_take_texts(experiment)
    st.download_button(
        words.SAVE_WITH_DATA, partial(zip_with_data, experiment) if experiment and not others else "", f"{name}.zip",
        "application/zip", key="experiment_save_with_data", icon=":material/folder_zip:", on_click="ignore",
        disabled=experiment is None or others,
        help=words.HELP_NOT_WITH_DATA if others else words.HELP_SAVE_WITH_DATA,
    )  # fmt: skip


def may_take_texts(experiment: Experiment) -> bool:
    """Whether the visitor may have the files of its texts: on a shared server only those of its library and samples."""
    paths = (path for text in experiment.texts for path in (*text.train, *text.test))
    return entrance.is_private() or all(is_of_the_app(Path(path)) for path in paths)
