"""Training settings to start from; every value stays open to change."""

from engine.experiments.training import Training

PRESETS: dict[str, Training] = {
    "quick": Training(epochs=1, evaluations_per_stage=4),
    "standard": Training(),
    "thorough": Training(epochs=8, evaluations_per_stage=10),
}
