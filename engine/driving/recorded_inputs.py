"""What a run recorded of its texts and its base model, held against what is there now."""

from collections.abc import Mapping, Sequence
from typing import Any

from engine.common.errors import StoreError
from engine.experiments.experiment import Experiment

Facts = Mapping[str, Any]


def as_begun(experiment: Experiment, model: Facts) -> Experiment:
    """The experiment with its base model at the revision that its first runs recorded in `model`."""
    if "model_revision" not in model:
        return experiment
    from engine.models.loading import pinned  # loads torch, which only a run needs

    return experiment.model_copy(update={"model": pinned(experiment.model, model["model_revision"])})


def refuse_other_texts(before: Sequence[Facts], after: Sequence[Facts], why: str) -> None:
    """Texts that changed since its first stages would mix two experiments in one matrix, or in one comparison."""
    now = {fact["name"]: fact for fact in after}
    for fact in before:
        found = now.get(fact["name"], {})
        for side, what in (("fingerprint", "text"), ("held_out_fingerprint", "held-out text")):
            if fact.get(side) and fact[side] != found.get(side):  # earlier versions may not have recorded it
                raise StoreError(
                    f"The {what} of task {fact['name']!r} {why}. Either its files were changed, or this version reads "
                    "them in another way; start the experiment anew, or put the old files or the old version back."
                )


def refuse_other_text_beside(field: str, before: Facts, after: Facts | None) -> None:
    """Stages on two reference texts, or two general ones, would mix two experiments in one run, or one comparison."""
    if before and after and before["fingerprint"] != after["fingerprint"]:
        raise StoreError(
            f"The {field} text is not what the experiment's runs read before. Either its files were changed, or this "
            "version reads them in another way; start the experiment anew, or put the old files or the old version "
            "back."
        )


def refuse_other_model(name: str, before: Facts, after: Facts) -> None:
    """Runs that begin from other weights than the experiment's earlier ones can't be compared with them."""
    known, found = before.get("model_hash"), after.get("model_hash")
    if known and found and known != found:
        raise StoreError(
            f"The files of the model {name} changed since this experiment began, so its runs can't be compared any "
            "more; start the experiment anew, or put the old files back."
        )
