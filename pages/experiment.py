"""Experiment: choose tasks, model, strategies, training and seeds; see what it will cost; start it."""

import shlex
from functools import partial
from pathlib import Path

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from engine.common.errors import ConfigError, PalimpsestError
from engine.common.parameters import parameters_of
from engine.common.paths import data_folder, is_file
from engine.common.quoting import safe_name, shortened
from engine.experiments.experiment import Experiment
from engine.experiments.portable import portable_yaml, zip_with_data
from engine.experiments.presets import PRESETS
from engine.experiments.training import Training
from engine.experiments.yaml_file import MAX_CHARACTERS, parse_experiment, with_absolute_paths
from engine.models.choices import describe_models
from engine.running.slurm_script import slurm_script
from engine.tasks.sample_tasks import FOLDER as SAMPLES_FOLDER
from engine.tasks.spec import TaskSpec
from ui.experiment import draft as drafts
from ui.experiment.draft import ExperimentDraft
from ui.experiment.general_choice import general_choice
from ui.experiment.guards_section import guards_section
from ui.experiment.resources_section import resources_section
from ui.experiment.start_check import start_answer, start_button
from ui.experiment.strategy_cards import strategy_cards
from ui.experiment.task_settings import task_settings
from ui.server import entrance, session
from ui.widgets.forms import as_text, exact_value, parse_seeds
from ui.widgets.text import plain, plural

OTHER_MODEL = "another model"
ON_SLURM = (
    "Slurm hands out the machines of many clusters. Save this script as `array.sh` beside the saved file, in the "
    "project's folder there, write in how long a run may take, and type `sbatch array.sh`: runs execute side by side. "
    "Its last line puts their results together."
)
_LOADED = "experiment_loaded_from"


def known_tasks() -> dict[str, TaskSpec]:
    """The library's tasks by name, in the user's order."""
    specs = [task.spec() for task in session.library().tasks()]
    return {spec.name: spec for spec in specs}


def adopt_experiment_of_url(known: dict[str, TaskSpec]) -> None:
    """Begin from the experiment that the address names, once for each visit."""
    experiment_id = session.experiment_in_url()
    if experiment_id is None or st.session_state.get(_LOADED) == experiment_id:
        return
    st.session_state[_LOADED] = experiment_id
    try:
        experiment = session.store().experiment(experiment_id)
        drafts.replace(drafts.draft_of(experiment, known))
        drafts.current().made_from = (experiment_id, experiment.name)
    except PalimpsestError as error:
        st.error(plain(str(error)), icon=":material/error:")


def take_tasks_of_link(draft: ExperimentDraft, known: dict[str, TaskSpec]) -> None:
    """Begin with the whole library where the link from the Tasks page asks for it, unless tasks are chosen already."""
    if st.query_params.pop(session.WITH_LIBRARY, None) and not draft.task_names:
        draft.task_names = list(known)
        draft.moves += 1


def file_section(known: dict[str, TaskSpec]) -> None:
    with st.expander("Start from a saved experiment", icon=":material/upload_file:"):
        draft = drafts.current()
        uploaded = st.file_uploader(
            "Experiment file (YAML)",
            type=["yaml", "yml"],
            key=draft.key("upload"),
            **entrance.for_editors("As saved from this page, or written by hand. It replaces what is entered below."),
        )
        if uploaded is not None:
            try:
                experiment = read_experiment(uploaded.name, uploaded.getvalue())
            except ConfigError as error:
                st.error(plain(str(error)), icon=":material/error:")
            else:
                drafts.replace(drafts.draft_of(experiment, known))
                st.rerun()
        if st.button(
            "Clear the form", key="experiment_clear", icon=":material/restart_alt:",
            help="Forget what is entered on this page and begin anew.",
        ):  # fmt: skip
            drafts.start_afresh()
            st.rerun()


def read_experiment(name: str, content: bytes) -> Experiment:
    """An uploaded experiment whose files exist. Raises ConfigError."""
    if len(content) > 4 * MAX_CHARACTERS:
        raise ConfigError(f"{name}: this is far longer than an experiment file; choose another one.")
    try:
        written = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{name}: this is not UTF-8 text; save the file as UTF-8.") from error
    experiment = with_absolute_paths(parse_experiment(written, name), Path.cwd())
    for text in experiment.texts:
        if not (entrance.is_private() or all(is_of_the_app(Path(path)) for path in (*text.train, *text.test))):
            raise ConfigError(
                f"{name}: {text.called} names files of the server that are not in its library. "
                "Upload the texts on the Tasks page."
            )
        missing = next((path for path in (*text.train, *text.test) if not is_file(path)), None)
        if missing is not None:
            raise ConfigError(
                f"{name}: {text.called} names {shortened(missing, 300)}, which is not on this machine. "
                "A browser sends no folders: write whole paths into the file, or upload the texts on the Tasks page."
            )
    return experiment


def is_of_the_app(path: Path) -> bool:
    """Whether a text is the library's or a sample: others of a shared server's files are not its users' business."""
    return any(path.resolve().is_relative_to(folder) for folder in (data_folder() / "tasks", SAMPLES_FOLDER))


def tasks_section(draft: ExperimentDraft, known: dict[str, TaskSpec]) -> None:
    st.subheader("Tasks")
    available = {**known, **draft.file_tasks}
    if not available:
        st.info("There are no tasks yet. Upload texts or take the samples first.", icon=":material/library_books:")
        st.page_link(session.TASKS, label="Go to Tasks", icon=":material/arrow_forward:", help="Where tasks are made.")
        return
    gone = [name for name in draft.task_names if name not in available]
    if gone:
        st.warning(f"No longer in the library, so left out: {plain(', '.join(gone))}.", icon=":material/warning:")
        draft.task_names = [name for name in draft.task_names if name in available]
    draft.task_names = st.multiselect(
        "Learnt in this order", list(available), draft.task_names, key=draft.key(f"move{draft.moves}_tasks"),
        placeholder="Choose tasks",
        help="The model learns them one after the other; forgetting shows on the earlier ones.",
    )  # fmt: skip
    if len(draft.task_names) == 1:
        st.caption("With one task nothing can be forgotten; choose two or more for a comparison.")
    for index, name in enumerate(draft.task_names):
        task_row(draft, index, name, from_file=name in draft.file_tasks)
    if draft.task_names:
        task_settings(draft)


def task_row(draft: ExperimentDraft, index: int, name: str, from_file: bool) -> None:
    key = draft.key("task")
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.button(
            "", key=f"{key}_up{index}", icon=":material/arrow_upward:", type="tertiary", disabled=index == 0,
            help="Learn it earlier.", on_click=draft.move_task, args=(index, -1),
        )  # fmt: skip
        st.button(
            "", key=f"{key}_down{index}", icon=":material/arrow_downward:", type="tertiary",
            disabled=index == len(draft.task_names) - 1, help="Learn it later.",
            on_click=draft.move_task, args=(index, 1),
        )  # fmt: skip
        origin = " :gray[(from the loaded file)]" if from_file else ""
        st.markdown(f"{index + 1}. {plain(name)}{origin}", width="stretch")


def model_section(draft: ExperimentDraft) -> None:
    st.subheader("Model")
    choices = {choice.name: choice for choice in describe_models()}
    names = [*choices, OTHER_MODEL]
    picked = st.selectbox(
        "Base model", names, names.index(draft.model) if draft.model in choices else len(choices),
        key=draft.key("model"), help="Every run starts from it.",
        format_func=lambda n: f"{choices[n].title}: {choices[n].note}" if n in choices else "Another model …",
    )  # fmt: skip
    if picked != OTHER_MODEL:
        draft.model = picked
        return
    draft.model = st.text_input(
        "Name on the hub, or a local folder", "" if draft.model in choices else draft.model,
        key=draft.key("other_model"), placeholder="such as EleutherAI/pythia-70m, or /models/mine",
        help="Any causal language model of transformers with safetensors weights; remote code is never run.",
    )  # fmt: skip


def seeds_section(draft: ExperimentDraft) -> DeltaGenerator:
    """The seeds, and the place under them for what they can show."""
    draft.seeds = st.text_input(
        "Seeds, separated by commas", draft.seeds, key=draft.key("seeds"),
        help="Each seed repeats every strategy with other draws: only differences between seeds tell what is chance.",
    )  # fmt: skip
    try:
        parse_seeds(draft.seeds)
    except ConfigError as error:
        st.error(plain(str(error)), icon=":material/error:")
    return st.container()


def training_section(draft: ExperimentDraft) -> DeltaGenerator:
    """All training settings; returns the place for what the seeds can show."""
    st.subheader("Training")
    left, right = st.columns(2)
    with left:
        preset_picker(draft)
    with right:
        under_seeds = seeds_section(draft)
    with st.expander("All training settings", icon=":material/tune:"):
        columns = st.columns(3)
        for number, declared in enumerate(parameters_of(Training)):
            with columns[number % 3]:
                key = draft.key(f"preset{draft.presets}_training_{declared.name}")
                draft.training[declared.name] = exact_value(declared, draft.training[declared.name], key)
    preset = drafts.training_values(PRESETS[draft.preset])
    labels = {declared.name: declared.label for declared in parameters_of(Training)}
    changed = [name for name, value in preset.items() if draft.training[name] != value]
    if changed:
        listed = "; ".join(f"{labels[n]}: {as_text(preset[n])} → {as_text(draft.training[n])}" for n in changed)
        st.caption(plain(f"Changed from the preset: {listed}"))
        st.button(
            "Back to the preset", key="experiment_preset_again", icon=":material/undo:", type="tertiary",
            help="Set every training value as the preset has it.", on_click=draft.take_preset, args=(draft.preset,),
        )  # fmt: skip
    return under_seeds


def also_scored_section(draft: ExperimentDraft, known: dict[str, TaskSpec]) -> None:
    st.subheader("Also scored")
    left, right = st.columns(2)
    with left:
        general_choice(draft, known)
    guards_section(draft, right)


def preset_picker(draft: ExperimentDraft) -> None:
    key = draft.key("preset")

    def chosen() -> None:
        if st.session_state[key]:
            draft.take_preset(st.session_state[key])

    st.segmented_control(
        "Preset", list(PRESETS), default=draft.preset, key=key, format_func=str.capitalize, required=True,
        on_change=chosen, help="Fills in all training settings: quick for a first look, thorough for results to keep.",
    )  # fmt: skip


def name_field(draft: ExperimentDraft) -> None:
    draft.name = st.text_input(
        "Name", draft.name, key=draft.key("name"), max_chars=120,
        placeholder=drafts.suggested_name(draft.task_names) or "named after its tasks",
        help="What lists and exports call this experiment; empty: named after its tasks.",
    )  # fmt: skip


def start_section(draft: ExperimentDraft, experiment: Experiment | None, problem: str) -> None:
    if not draft.task_names:
        st.info("Choose the tasks first, at the top of this page.", icon=":material/info:")
    elif experiment is None:
        st.error(plain(problem), icon=":material/error:")
    runs = len(experiment.runs()) if experiment else 0
    if experiment:
        variants = plural(len(experiment.runs_of_one_seed()), "strategy or setting", "strategies and settings")
        st.markdown(f"{variants} × {plural(len(experiment.seeds), 'seed')} = **{plural(runs, 'run')}**")
    with st.container(horizontal=True):
        start_button(experiment, f"Start {plural(runs, 'run')}" if runs else "Start")
        save_buttons(experiment)
    start_answer(experiment, go_to_live, draft.origin)
    with st.expander("The same from the command line", icon=":material/terminal:"):
        name = f"{safe_name(experiment.name, 120)}.yaml" if experiment else "experiment.yaml"
        st.code(f"python -m engine run {shlex.quote(name)} --out results", language="bash")
        st.caption("With the saved file, in the project's folder. Same configuration and seed, same numbers.")
        if experiment:
            st.code(portable_yaml(experiment), language="yaml")
    if experiment:
        with st.expander("On a cluster with Slurm, each run on its own", icon=":material/dns:"):
            st.caption(ON_SLURM)
            st.code(slurm_script(experiment, name, "results"), language="bash")


def save_buttons(experiment: Experiment | None) -> None:
    """The experiment as a file, alone or with all of its texts."""
    name = safe_name(experiment.name, 120) if experiment else "experiment"
    st.download_button(
        "Save as YAML", portable_yaml(experiment) if experiment else "", f"{name}.yaml", "application/yaml",
        key="experiment_save", icon=":material/download:", disabled=experiment is None, on_click="ignore",
        help="A file that this page and the command line read. Its first lines say what must lie beside it elsewhere.",
    )  # fmt: skip
    others = experiment is not None and not may_take_texts(experiment)
    st.download_button(
        "YAML with its data (zip)", partial(zip_with_data, experiment) if experiment and not others else "",
        f"{name}.zip",
        "application/zip", key="experiment_save_with_data", icon=":material/folder_zip:", on_click="ignore",
        disabled=experiment is None or others,
        help="It names files of the server that are not in its library; those stay there."
        if others
        else "The file and all of its texts: unpack it on any machine, and it runs to the same numbers.",
    )  # fmt: skip


def may_take_texts(experiment: Experiment) -> bool:
    """Whether the visitor may have the files of its texts: on a shared server only those of its library and samples."""
    paths = (path for text in experiment.texts for path in (*text.train, *text.test))
    return entrance.is_private() or all(is_of_the_app(Path(path)) for path in paths)


def go_to_live(experiment_id: str) -> None:
    st.session_state[_LOADED] = experiment_id
    session.go_to(session.LIVE, experiment_id)


def page() -> None:
    st.title("Experiment")
    st.caption("Choose what is learnt in which order, and which strategies protect what came before.")
    known = known_tasks()
    adopt_experiment_of_url(known)
    file_section(known)
    draft = drafts.current()
    take_tasks_of_link(draft, known)
    tasks_section(draft, known)
    model_section(draft)
    st.subheader("Strategies")
    strategy_cards(draft, known)
    under_seeds = training_section(draft)
    resources_section(draft)
    also_scored_section(draft, known)
    before = st.container()
    st.subheader("Start")
    name_field(draft)
    # After the last field: a click on Start may cut short the run that would have read it.
    experiment, problem = None, ""
    try:
        experiment = draft.experiment(known)
    except ConfigError as error:
        problem = str(error)
    start_section(draft, experiment, problem)
    if experiment:
        with under_seeds:
            from ui.experiment.seeds_note import show_what_seeds_can_show  # as below

            show_what_seeds_can_show(experiment)
        with before:  # timing takes a moment on a busy machine, and nobody has to wait for it to start
            from ui.experiment.preview import show_estimate, show_look_ahead  # a page without tasks needs no tables

            st.subheader("Before the start")
            show_estimate(experiment)
            show_look_ahead(experiment)


page()
