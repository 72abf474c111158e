"""What the answers are made of: the store, and the feed through which all browsers read and draw once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ui.api.request_errors import not_there

if TYPE_CHECKING:  # the server listens before these have loaded
    import pandas as pd

    from engine.store import Store
    from ui.live.feed import Feed, Followed

Values = Mapping[str, Any]
"""The parameters of a question, those of its path among them, by name."""


@dataclass(frozen=True)
class Sources:
    """One data folder. The methods raise RequestError for what is not there or lies in the bin."""

    store: Store
    feed: Feed

    def experiment_row(self, experiment_id: str) -> dict[str, Any]:
        """The row of an experiment among `Store.experiment_rows`."""
        kept = self.store.kept_experiments()
        for row in self.store.experiment_rows():
            if row["experiment_id"] == experiment_id and experiment_id in kept:
                return row
        raise not_there("experiment", experiment_id)

    def run(self, run_id: str) -> pd.Series[Any]:
        """The row of a run among `Store.runs`, at most half a second old."""
        from ui.live.data import by_id

        rows = self.feed.view(self.experiment_of(run_id), by_id)
        if run_id not in rows:  # added within this half second
            raise not_there("run", run_id)
        return rows[run_id]

    def experiment_of(self, run_id: str) -> str:
        """The id of a run's experiment."""
        experiment_id = self.store.experiment_of(run_id)
        if experiment_id is None:
            raise not_there("run", run_id)
        return experiment_id

    def runs(self, experiment_id: str) -> pd.DataFrame:
        """The rows of an experiment's runs but those in the bin, at most half a second old."""
        if experiment_id not in self.store.kept_experiments():
            raise not_there("experiment", experiment_id)
        runs = self.feed.runs(experiment_id)
        return runs[runs["run_id"].isin(self.store.kept_runs(experiment_id))]

    def followed(self, run: pd.Series[Any]) -> Followed:
        """All that a run has recorded, at most half a second old."""
        return self.feed.followed(str(run["run_id"]), int(run["attempt"]))
