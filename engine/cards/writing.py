"""Cards beside the checkpoints that a run has left."""

from pathlib import Path

from engine.cards.base_model import CARD
from engine.cards.model_card import model_card
from engine.common.durable_files import write_text, writing
from engine.store import Store


def write_cards(store: Store, run_id: str, missing_only: bool = False) -> None:
    """Write a card into the folder of each checkpoint of a run's finished stages that is there; those that have one
    keep it where `missing_only`. It does not belong to the sums of the folder. Raises StoreError."""
    stages = store.stages(run_id)
    for row in stages[stages["finished"].astype(bool)].itertuples():
        folder = Path(row.checkpoint) if isinstance(row.checkpoint, str) else None
        if folder is None or not folder.is_dir() or (missing_only and (folder / CARD).exists()):
            continue
        text = model_card(store, run_id, int(row.stage))
        with writing(folder):
            write_text(folder / CARD, text)
