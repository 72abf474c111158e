"""Which checkpoints of a run stay once it has finished."""

from typing import Literal, get_args

Keep = Literal["all", "last", "best", "none"]
KEEPS: tuple[Keep, ...] = get_args(Keep)
LABELS: dict[Keep, str] = {
    "all": "After every stage",
    "last": "After the last stage",
    "best": "After the best stage",
    "none": "None, numbers alone",
}
MEANINGS: dict[Keep, str] = {
    "all": "The model after every stage stays. Adding a task needs them all, and so do questions to earlier stages.",
    "last": "The model after the last stage stays: it can be downloaded and asked. No task can be added.",
    "best": "The model of the stage with the fewest bits per byte on average over all tasks stays, which may be an "
    "earlier one than the last. No task can be added.",
    "none": "Scores, curves and summaries stay, and no model: nothing can be downloaded or asked.",
}
"""What each leaves, and what can't be done without the rest."""
HELP = (
    "Which models stay on the disk once a run has finished. Until then all stay, so that it can be resumed. Fewer can "
    "be kept later; what is removed comes back only by training again."
)
