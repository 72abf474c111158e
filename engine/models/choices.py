"""The base models that pages offer; `engine/models/loading.py` loads them, and any other causal language model."""

from dataclasses import dataclass
from pathlib import Path

EMBEDDED = "tiny-gpt2"
EMBEDDED_FOLDER = Path(__file__).resolve().parents[2] / "models"
"""It lies in the folder of its name here."""


@dataclass(frozen=True)
class ModelChoice:
    """An entry of the model picker."""

    name: str
    title: str
    note: str


def describe_models() -> tuple[ModelChoice, ...]:
    """Describe the models that the picker offers, the embedded one first; any other causal LM's hub name or folder
    works."""
    return (
        ModelChoice(EMBEDDED, "tiny-gpt2", "2.6 M parameters, comes with the project: no GPU, no network"),
        ModelChoice("distilgpt2", "distilgpt2", "82 M parameters, from the hub"),
        ModelChoice("gpt2", "gpt2", "124 M parameters, from the hub"),
        ModelChoice("gpt2-medium", "gpt2-medium", "355 M parameters, from the hub; a GPU is advised"),
    )
