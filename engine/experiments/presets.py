"""Training settings to start from; every value stays open to change."""

from engine.common.parameters import parameters_of
from engine.experiments.training import Training

QUICK = "quick"
PRESETS: dict[str, Training] = {
    QUICK: Training(epochs=1, evaluations_per_stage=4),
    "standard": Training(),
    "thorough": Training(epochs=8, evaluations_per_stage=10),
}
LIMITED = ("stage_tokens", "held_out_tokens", "answer_questions", "evaluations_per_stage")
"""The settings by which the quick preset is made quick for tasks of any size (`engine/forecast/quick.py`)."""


def preset_of(training: Training) -> str | None:
    """The preset that the settings are; of the quick one whatever its limits are. None where they are none."""
    found = next((name for name, preset in PRESETS.items() if preset == training), None)
    others = [declared.name for declared in parameters_of(Training) if declared.name not in LIMITED]
    if found is None and all(getattr(training, name) == getattr(PRESETS[QUICK], name) for name in others):
        return QUICK
    return found
