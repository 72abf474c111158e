"""What the answers are made of: the store, and the feed through which all browsers read and draw once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
    trouble: Callable[[], str] = str
    """What keeps the queue from going on; empty where nothing does."""

    def experiment_row(self, experiment_id: str) -> dict[str, Any]:
        """The row of an experiment among `Store.experiment_rows`."""
        for row in self.store.experiment_rows():
            if row["experiment_id"] == experiment_id:
                return row
        raise not_there("experiment", experiment_id)

    def state(self, run_id: str) -> dict[str, Any]:
        """What decides how a run's points are shown, as `Store.run_state` gives it."""
        found = self.store.run_state(run_id)
        if found is None:
            raise not_there("run", run_id)
        return found

    def run(self, run_id: str) -> pd.Series[Any]:
        """The row of a run among `Store.runs`, at most half a second old."""
        from ui.live.data import by_id

        rows = self.feed.view(self.state(run_id)["experiment_id"], by_id)
        if run_id not in rows:  # added within this half second
            raise not_there("run", run_id)
        return rows[run_id]

    def runs(self, experiment_id: str) -> pd.DataFrame:
        """The rows of an experiment's runs, at most half a second old."""
        self.experiment_row(experiment_id)
        return self.feed.runs(experiment_id)

    def followed(self, run: Mapping[str, Any] | pd.Series[Any]) -> Followed:
        """All that a run has recorded, at most half a second old."""
        return self.feed.followed(str(run["run_id"]), int(run["attempt"]))
