"""The files that a user takes away from the compare page. Each is made when its button is pressed, not before."""

import io
import json
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import pandas as pd

from engine.cards.model_card import model_card
from engine.common.errors import StoreError
from engine.common.quoting import safe_name
from engine.experiments.experiment import Experiment
from engine.experiments.portable import portable_yaml
from engine.results import export
from engine.results.kept_most import differences_csv
from engine.store import Store
from figures.report import Section
from ui.compare.compared_runs import Comparison
from ui.compare.report import report

_FORMULA = re.compile(r"[=+\-@\t\r\n]")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|-?inf")


def file_name(name: str, ending: str) -> str:
    """A file name of the user's words that any system takes."""
    return f"{safe_name(name, 120)}{ending}"


def kept_checkpoints(stages: pd.DataFrame) -> pd.DataFrame:
    """The stages whose checkpoint still lies on the disk, with its folder's size in `bytes`."""
    there = [isinstance(path, str) and Path(path).is_dir() for path in stages["checkpoint"]]
    kept = stages[pd.Series(there, index=stages.index, dtype=bool)].copy()
    kept["bytes"] = [_folder_bytes(Path(path)) for path in kept["checkpoint"]]
    return kept


def checkpoint_name(experiment: str, label: str, seed: int, stage: int) -> str:
    """The name of the weights of one run after one stage: `support-then-recipes · naive · seed 0 · stage 3`."""
    return safe_name(" · ".join([safe_name(experiment, 70), label, f"seed {seed}", f"stage {stage}"]))


def checkpoint_file(store: Store, run_id: str, stage: int, checkpoint: str, name: str) -> Callable[[], bytes]:
    """The checkpoint of a run's stage, with its model card, as a zip of one folder of that name."""

    def make() -> bytes:
        file = io.BytesIO()
        export.checkpoint_zip(Path(checkpoint), file, name, model_card(store, run_id, stage))
        return file.getvalue()

    return make


def scores_file(store: Store, experiment_ids: Sequence[str]) -> Callable[[], bytes]:
    """The score matrices of all runs of some experiments as one CSV, with a mark by which spreadsheets see UTF-8.

    It is opened by a double click: names that would be formulas are quoted. `export.scores_csv` leaves them alone.
    """

    def make() -> bytes:
        return _for_double_click([export.scores_csv(store, each) for each in experiment_ids])

    return make


def differences_file(comparison: Comparison) -> Callable[[], bytes]:
    """The paired differences of the verdict as one CSV, quoted and marked as `scores_file` does."""

    def make() -> bytes:
        return _for_double_click([differences_csv(comparison.verdict, comparison.score)])

    return make


def _for_double_click(parts: Sequence[str]) -> bytes:
    tables = [pd.read_csv(io.StringIO(part), dtype=str) for part in parts]
    text = pd.concat(tables).map(for_spreadsheets, na_action="ignore").to_csv(index=False, lineterminator="\n")
    return str(text).encode("utf-8-sig")


def for_spreadsheets(cell: str) -> str:
    """A cell as a spreadsheet shows it, never computes it: what would begin a formula gets an apostrophe before it."""
    return f"'{cell}" if _FORMULA.match(cell) and not _NUMBER.fullmatch(cell) else cell


def results_file(store: Store, experiment_ids: Sequence[str]) -> Callable[[], bytes]:
    """`results.json` of one experiment, or a list of them."""

    def make() -> bytes:
        found = [export.results(store, each) for each in experiment_ids]
        return json.dumps(found[0] if len(found) == 1 else found, indent=2, ensure_ascii=False).encode()

    return make


def experiment_file(experiment: Experiment) -> Callable[[], bytes]:
    """The experiment as YAML, as the command line takes it on any machine."""
    return lambda: portable_yaml(experiment).encode()


def report_file(
    store: Store, comparison: Comparison, first: Callable[[], Iterable[Section]] = tuple
) -> Callable[[], bytes]:
    """The comparison as one HTML file, in which the sections that `first` gives stand before the tables."""
    return lambda: report(store, comparison, first()).encode()


def _folder_bytes(folder: Path) -> int:
    try:
        return sum(path.stat().st_size for path in export.checkpoint_files(folder).values())
    except StoreError:  # said once the checkpoint is asked for
        return 0
