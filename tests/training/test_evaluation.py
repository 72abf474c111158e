"""What an evaluation measures beside the tasks: the general text, and how far the model has moved from the base."""

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from engine import events, strategies
from engine.events.scores import GENERAL
from engine.persistence.shared_results import SharedResults
from engine.tokens.blocks import EncodedDocument
from engine.training.drift import Drift
from engine.training.evaluation import evaluate
from engine.training.loop import train
from engine.training.run_state import RunSetup
from engine.training.scored_texts import GeneralText, Scored
from engine.training.scoring import prepare
from tests.builders import BLOCK, loaded, random_documents, small_setup

DOCUMENTS = random_documents(9, seed=50)


def general_text(
    documents: list[EncodedDocument] = DOCUMENTS, of_base: Callable[[Callable[[], Tensor]], Tensor] | None = None
) -> GeneralText:
    held_out = prepare(documents, BLOCK, 30)
    drift = Drift(held_out.sample.target_tokens, of_base or (lambda compute: compute()))
    return GeneralText(held_out, "general text", drift, {"name": "general"})


def setup_of(folder: Path, shared: Path | None = None, name: str = "naive", **changes: Any) -> RunSetup:
    kept = SharedResults(shared) if shared is not None else None

    def of_base(compute: Callable[[], Tensor]) -> Tensor:
        return compute() if kept is None else kept.tensors("of the base", lambda: {"p": compute()})["p"]

    setup = small_setup(strategies.build(name, {}), folder, tasks=2, **changes)
    return replace(setup, general=general_text(of_base=of_base), shared=kept, content="these weights")


def looks_of(happened: list[events.Event]) -> list[events.Evaluated]:
    return [replace(event, seconds=0.0) for event in happened if isinstance(event, events.Evaluated)]


def by_hand(checkpoint: Path | None) -> tuple[float, float]:
    """Summed nats of the general text, and KL(base ‖ model), mean over its first sample, one plain pass a document."""
    model, base = (loaded(folder).model.eval() for folder in (checkpoint, None))
    nats, divergences, drawn = 0.0, [], general_text().held_out.sample
    with torch.no_grad():
        for each in DOCUMENTS:
            ids = each.token_ids.long()
            now = model(input_ids=ids[None, :-1]).logits[0].log_softmax(-1)
            nats -= float(now.gather(1, ids[1:, None]).sum())
        inputs = drawn.select(torch.arange(len(drawn)))
        for row in range(len(drawn)):
            starts = [*(inputs.position_ids[row] == 0).nonzero().flatten().tolist(), inputs.width]
            for start, end in itertools.pairwise(starts):
                read = inputs.input_ids[row, start:end][None]
                learnt = inputs.targets[row, start:end] >= 0
                was, now = (each(input_ids=read).logits[0].log_softmax(-1)[learnt] for each in (base, model))
                divergences += (was.exp() * (was - now)).sum(1).tolist()
    return nats, sum(divergences) / len(divergences)


def test_the_general_text_is_scored_at_every_look_as_a_loop_over_documents_scores_it(tmp_path: Path) -> None:
    happened = list(train(setup_of(tmp_path)))
    looks = looks_of(happened)
    assert all(GENERAL in look.sample and GENERAL in (look.documents or {}) for look in looks)
    checkpoints = {0: None} | {stage: tmp_path / f"stage-{stage}" for stage in (1, 2)}
    rows = [look for look in looks if look.whole is not None]
    assert [look.stage for look in rows] == [0, 1, 2]
    assert general_text().drift.places.tolist() == list(range(general_text().held_out.sample.target_tokens))
    for look in rows:
        nats, divergence = by_hand(checkpoints[look.stage])
        assert look.whole is not None
        assert look.whole[GENERAL].total_nats == pytest.approx(nats, rel=1e-5)
        assert look.drift == pytest.approx(divergence, rel=1e-4, abs=1e-9)
    assert rows[0].drift == 0.0
    assert (rows[2].drift or 0.0) > 0.01, "the tasks have other tokens"


def test_a_general_text_changes_no_weight_and_no_other_number(tmp_path: Path) -> None:
    beside = looks_of(list(train(setup_of(tmp_path / "with"))))
    alone = looks_of(list(train(replace(setup_of(tmp_path / "without"), general=None))))
    for look, plain in zip(beside, alone, strict=True):
        assert {name: score for name, score in look.sample.items() if name != GENERAL} == plain.sample
        assert (plain.drift, look.drift is None) == (None, False)


@pytest.mark.parametrize("name", ["naive", "lora", "joint"])
def test_a_run_that_goes_on_measures_the_same_drift_without_row_0(name: str, tmp_path: Path) -> None:
    whole = looks_of(list(train(setup_of(tmp_path / "whole", name=name))))
    first = []
    for event in train(setup_of(tmp_path / "cut", name=name)):
        first.append(event)
        if isinstance(event, events.StageFinished):
            break
    rest = looks_of(list(train(replace(setup_of(tmp_path / "cut", name=name), finished_stages=1))))
    assert looks_of(first) + rest == whole


def test_a_stage_that_is_taken_over_brings_the_general_text_along_and_scores_what_was_not(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    expected = looks_of(list(train(setup_of(tmp_path / "first", shared))))
    again = list(train(setup_of(tmp_path / "second", shared)))
    assert all(event.shared for event in again if isinstance(event, events.StageStarted))
    assert looks_of(again) == expected
    without = tmp_path / "other"
    list(train(replace(setup_of(tmp_path / "third", without), general=None)))
    later = list(train(setup_of(tmp_path / "fourth", without)))
    assert all(event.shared for event in later if isinstance(event, events.StageStarted))
    rows = [look for look in looks_of(later) if look.whole is not None]
    assert rows == [look for look in expected if look.whole is not None]
    inside = [look for look in looks_of(later) if look.whole is None]
    assert inside
    assert all(GENERAL not in look.sample and look.drift is None for look in inside)


@pytest.mark.parametrize("passage", range(1, 6))
def test_a_run_that_is_killed_while_it_shares_leaves_no_stage_without_its_looks(passage: int, tmp_path: Path) -> None:
    expected = looks_of(list(train(setup_of(tmp_path / "whole", tmp_path / "other"))))
    setup = setup_of(tmp_path / "cut", tmp_path / "shared")
    keep, passed = SharedResults.keep, 0

    def keeps(*given: Any) -> None:
        nonlocal passed
        passed += 1
        if passed == passage:
            raise KeyboardInterrupt
        keep(*given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SharedResults, "keep", keeps)
        with pytest.raises(KeyboardInterrupt):
            list(train(setup))
    assert looks_of(list(train(setup_of(tmp_path / "next", tmp_path / "shared")))) == expected


def test_a_long_sample_is_looked_at_in_places_all_over_it() -> None:
    drift = Drift(1001, lambda compute: compute())
    places = drift.places.tolist()
    assert (len(places), places[0], places[-1]) == (256, 0, 1000)
    assert {b - a for a, b in itertools.pairwise(places)} <= {3, 4, 5}


def test_a_token_that_the_base_model_rules_out_adds_nothing() -> None:
    drift = Drift(1, lambda compute: torch.tensor([[0.0, -torch.inf]]))
    found = drift.measure(torch.tensor([[0.25, 0.75]]).log(), lambda: torch.zeros(1, 2))
    assert found == pytest.approx(1.386294361)  # −log ¼


def test_another_general_text_is_another_row_and_other_resume_points(tmp_path: Path) -> None:
    setup = setup_of(tmp_path)
    assert setup.general is not None
    other = replace(setup, general=replace(setup.general, held_out_key="another text"))
    assert setup.stage_keys == other.stage_keys
    assert all(a != b for a, b in zip(setup.point_keys, other.point_keys, strict=True))
    assert setup.scored.keys != other.scored.keys


def test_a_part_can_be_scored_alone(tmp_path: Path) -> None:
    setup = setup_of(tmp_path)
    found = evaluate(setup, loaded(None), Scored((setup.tasks[1],)), 1, 4, whole=False)
    assert (list(found.sample), found.whole, found.drift, found.guards) == (["task 1"], None, None, None)
