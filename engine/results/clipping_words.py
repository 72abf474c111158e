"""What is said of clipping: of one run, and of the configurations of a comparison."""

from collections.abc import Mapping

import pandas as pd

from engine.common.errors import ConfigError
from engine.common.numerals import percent
from engine.common.quoting import listed
from engine.results.clipping import Clipping, whole
from engine.strategies import parts_of
from engine.strategies.base import Strategy

MOST = 0.5
"""A share of the steps above which it is said that they were clipped."""
MUCH_LESS = 0.5
"""Where clipping leaves less than this of what it leaves of naive's gradients, it is said what makes them longer."""
UNDER_ADAMW = (
    "AdamW divides by the size of recent gradients, so that clipping changes how much steps count beside each other "
    "more than how far they go."
)

STAGES_NAMED, NAMED = 8, 6
"""Most stages, and most configurations, that stand in a sentence one by one."""


def in_words(stages: Mapping[int, Clipping]) -> str:
    """The clipping of one run in a sentence or two; "" before its first step."""
    found = whole(stages)
    if found is None:
        return ""
    if not found.clipped:
        return f"No step was clipped at {found.limit:g}."
    text = (
        f"{percent(found.share)} of the steps were clipped at {found.limit:g}; on average "
        f"{percent(found.kept_share)} of a step's gradient was left{_by_stage(stages)}."
    )
    return f"{text} {UNDER_ADAMW}" if found.share > MOST else text


def adds_to_the_loss(strategy: str) -> bool:
    """Whether a strategy adds a term to the gradient that is clipped. Pulls act after clipping."""
    try:
        parts = parts_of(strategy)
    except ConfigError:  # of another version
        return False
    own = Strategy.loss_terms, Strategy.combine
    return any(part.loss_terms is not own[0] and part.combine is own[1] for part in parts)


def _by_stage(stages: Mapping[int, Clipping]) -> str:
    shares = {stage: part.share for stage, part in sorted(stages.items())}
    if len(shares) < 2:
        return ""
    if len(shares) > STAGES_NAMED:
        return f" (stages: {percent(min(shares.values()))} to {percent(max(shares.values()))} clipped)"
    return f" ({'; '.join(f'stage {stage}: {percent(share)}' for stage, share in shares.items())})"


def clipping_sentences(runs: pd.DataFrame) -> list[str]:
    """What is to be said of configurations most of whose steps were clipped: mean over the runs of `with_clipping`.
    They hold the user's names."""
    columns = ["gradient_clip", "clipped_share", "kept_share"]
    names = ["experiment_id", "strategy", "configuration"]
    found = runs.dropna(subset=columns).groupby(names, sort=False)[columns].mean().reset_index()
    plain = found[found["strategy"] == "naive"].drop_duplicates("experiment_id").set_index("experiment_id")
    longer: dict[tuple[float, str], list[str]] = {}
    others: dict[float, list[str]] = {}
    for row in found[found["clipped_share"] > MOST].to_dict("records"):
        name, limit = str(row["configuration"]), float(row["gradient_clip"])
        naive = plain.loc[row["experiment_id"]] if row["experiment_id"] in plain.index else None
        much_less = naive is not None and row["kept_share"] < MUCH_LESS * naive["kept_share"]
        if naive is not None and much_less and adds_to_the_loss(str(row["strategy"])):
            against = f"{naive['configuration']}'s ({percent(naive['kept_share'])})"
            shares = f"{percent(row['clipped_share'])} of steps clipped, {percent(row['kept_share'])} of gradients left"
            longer.setdefault((limit, against), []).append(f"{name} ({shares})")
        else:
            others.setdefault(limit, []).append(name)
    said = [
        f"Clipping at {limit:g} left less than half as much of the gradients of {listed(which, NAMED)} as of "
        f"{against}: what is added to the loss makes these longer. AdamW's steps are about as long either way, so "
        "that less of each serves the new task."
        for (limit, against), which in longer.items()
    ]
    for limit, which in others.items():
        of = "every strategy" if len(which) == len(found) > 1 else listed(which, NAMED)
        said.append(f"Most steps of {of} were clipped at {limit:g}. {UNDER_ADAMW}")
    return said
