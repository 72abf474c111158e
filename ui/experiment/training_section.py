"""Model, seeds and training settings of an experiment."""

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from engine.common.errors import ConfigError
from engine.common.parameters import parameters_of
from engine.experiments.presets import PRESETS, QUICK
from engine.experiments.training import Training
from engine.models.choices import describe_models
from ui.drafts.draft import ExperimentDraft
from ui.experiment import words
from ui.outlook.outlook import Outlook, tokens
from ui.widgets.forms import as_text, exact_value, folding, parse_seeds
from ui.widgets.text import plain

ANCHOR = "experiment-training"
OTHER_MODEL = "another model"
# What the presets mean is a line or two, side by side where there is room.
_THREE = """<style>
[class*="st-key-experiment_"][class*="_preset"] [role="radiogroup"] {
  display: grid; grid-template-columns: repeat(3, 1fr); gap: 0.5rem 1rem; width: 100%; align-items: start;
}
@media (max-width: 640px) { [class*="st-key-experiment_"][class*="_preset"] [role="radiogroup"] { display: flex; } }
</style>"""


def model_and_seeds(draft: ExperimentDraft) -> DeltaGenerator:
    """The heading of what is the same for all runs, and two columns; returns the place under the seeds for what they
    can show."""
    st.subheader(words.TRAINING, anchor=ANCHOR)
    left, right = st.columns(2)
    with left:
        _model(draft)
    with right:
        draft.seeds = st.text_input(words.SEEDS, draft.seeds, key=draft.key("seeds"), help=words.HELP_SEEDS)
        try:
            parse_seeds(draft.seeds)
        except ConfigError as error:
            st.error(plain(str(error)), icon=":material/error:")
        return st.container()


def _model(draft: ExperimentDraft) -> None:
    choices = {choice.name: choice for choice in describe_models()}
    names = [*choices, OTHER_MODEL]
    picked = st.selectbox(
        words.MODEL, names, names.index(draft.model) if draft.model in choices else len(choices),
        key=draft.key("model"), help=words.HELP_MODEL,
        format_func=lambda n: f"{choices[n].title}: {choices[n].note}" if n in choices else words.ANOTHER_MODEL,
    )  # fmt: skip
    if picked != OTHER_MODEL:
        draft.model = picked
        return
    draft.model = st.text_input(
        words.OTHER_MODEL, "" if draft.model in choices else draft.model, key=draft.key("other_model"),
        placeholder=words.EXAMPLE_MODELS, help=words.HELP_OTHER_MODEL,
    )  # fmt: skip


def training_section(draft: ExperimentDraft) -> DeltaGenerator:
    """All training settings, folded; returns the place for the presets, which say what was worked out."""
    place = st.container()
    preset, every = draft.preset_values(), parameters_of(Training)
    labels = {declared.name: declared.label for declared in every}
    folded = folding(words.ALL_TRAINING, draft.key("all_training"), type="compact", icon=":material/tune:")
    if folded.open:
        with folded:
            columns = st.columns(3)
            for number, declared in enumerate(every):
                with columns[number % 3]:
                    key = draft.key(f"preset{draft.presets}_training_{declared.name}")
                    draft.training[declared.name] = exact_value(declared, draft.training[declared.name], key)
    changed = [name for name, value in preset.items() if draft.training[name] != value]
    if changed:
        listed = "; ".join(f"{labels[n]}: {as_text(preset[n])} → {as_text(draft.training[n])}" for n in changed)
        st.caption(plain(words.changed_from_preset(listed)))
        st.button(
            words.TO_PRESET, key="experiment_preset_again", icon=":material/undo:", type="tertiary",
            help=words.HELP_TO_PRESET, on_click=draft.take_preset, args=(draft.preset,),
        )  # fmt: skip
    return place


def preset_picker(draft: ExperimentDraft, outlook: Outlook | None) -> None:
    """The presets, each with what it means for the chosen tasks."""
    key = draft.key("preset")

    def chosen() -> None:
        draft.take_preset(st.session_state[key])

    st.html(_THREE)
    st.radio(
        words.PRESET, list(PRESETS), list(PRESETS).index(draft.preset), key=key, format_func=str.capitalize,
        captions=[_meaning(draft, name, outlook) for name in PRESETS], horizontal=True, on_change=chosen,
        help=words.HELP_PRESET,
    )  # fmt: skip


def _meaning(draft: ExperimentDraft, preset: str, outlook: Outlook | None) -> str:
    limit = draft.limits.get("stage_tokens") if preset == QUICK else None
    if outlook is None:
        return words.preset(PRESETS[preset].epochs, limit)
    found = outlook.presets[preset]
    return words.preset(PRESETS[preset].epochs, limit, tokens(found), found.seconds)
