"""Faults in training: found within a step, said in words, and what was reached is kept."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from engine import events, strategies
from engine.common.errors import ModelError, TrainingError
from engine.persistence.resume_points import SeenLoss
from engine.training import gradients, step
from engine.training.failures import Divergence, check_finite, is_out_of_memory
from engine.training.loop import train
from engine.training.run_state import EncodedTask, RunSetup
from engine.training.scoring import prepare
from tests.builders import BLOCK, base_of, blocks_of, random_documents, small_setup, tiny_gpt2


def naive_setup(folder: Path, **changes: Any) -> RunSetup:
    return small_setup(strategies.build("naive", {}), folder, tasks=2, **changes)


def failing_once(real: Callable[..., Any], error: Exception, times: int = 1) -> Callable[..., Any]:
    left = [times]

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        if left[0]:
            left[0] -= 1
            raise error
        return real(*args, **kwargs)

    return wrapped


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"new": float("nan"), "norm": 1.0}, ["The loss", "step 3 of stage 2", "learning rate (now 0.1)"]),
        ({"new": 1.0, "norm": float("inf")}, ["The gradient", "learning rate"]),
        ({"new": 1.0, "penalty": float("inf"), "norm": 1.0}, ["'penalty'", "the weight of 'penalty'"]),
    ],
)
def test_what_is_not_finite_is_named_with_what_to_change(values: dict[str, float], words: list[str]) -> None:
    with pytest.raises(TrainingError) as caught:
        check_finite(values, 2, 3, 0.1)
    assert all(word in str(caught.value) for word in words)


def test_a_gradient_that_is_not_finite_leaves_the_weights_as_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    setup = naive_setup(tmp_path, gradient_clip=None)
    loaded = setup.load_model(None)
    before = [weight.clone() for weight in loaded.model.parameters()]
    real = gradients.accumulate_gradients

    def spoiled(base: Any, *args: Any, **settings: Any) -> Any:
        found = real(base, *args, **settings)
        next(base.model.parameters()).grad[0] = float("inf")
        return found

    monkeypatch.setattr(step, "accumulate_gradients", spoiled)
    with pytest.raises(TrainingError, match="gradient is no longer a finite number at step 1"):
        list(train(replace(setup, load_model=lambda checkpoint: loaded)))
    assert all(torch.equal(a, b) for a, b in zip(before, loaded.model.parameters(), strict=True))


def test_a_loss_far_beyond_guessing_is_divergence_and_a_few_rare_words_are_not() -> None:
    watch = Divergence(1000, SeenLoss())  # guessing costs 6.9 nats
    watch.see(30.0, 10, 1, 1, 0.1)
    watch.see(5.0, 600, 1, 2, 0.1)
    watch.see(13.0, 600, 1, 3, 0.1)
    with pytest.raises(TrainingError, match=r"diverges: at step 4 of stage 1 the loss is 14 .* \(now 0.1\)"):
        watch.see(14.0, 600, 1, 4, 0.1)


def test_a_task_that_is_strange_to_the_model_is_no_divergence() -> None:
    watch = Divergence(1000, SeenLoss())
    for number, loss in enumerate((18.0, 19.0, 12.0, 6.0), 1):
        watch.see(loss, 600, 2, number, 0.1)
    with pytest.raises(TrainingError, match="after 18 at first"):
        watch.see(37.0, 600, 2, 5, 0.1)


def test_a_learning_rate_that_diverges_ends_the_run_and_keeps_the_stage_before(tmp_path: Path) -> None:
    finished = list(train(naive_setup(tmp_path, epochs=1)))
    assert isinstance(finished[-1], events.RunFinished)
    setup = naive_setup(tmp_path, epochs=60, learning_rate=1.0, gradient_clip=None, tokens_per_step=256)
    with pytest.raises(TrainingError, match="Lower the learning rate"):
        list(train(replace(setup, finished_stages=1)))
    assert (tmp_path / "stage-1" / "model.safetensors").is_file()


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."),
    ],
)
def test_out_of_memory_retries_with_smaller_passes_that_give_the_same_gradient(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert is_out_of_memory(error)
    undisturbed = [e for e in train(naive_setup(tmp_path / "a")) if isinstance(e, events.StepDone)]
    monkeypatch.setattr(step, "accumulate_gradients", failing_once(gradients.accumulate_gradients, error))
    happened = list(train(naive_setup(tmp_path / "b")))
    told = [e for e in happened if isinstance(e, events.StepDone)]
    assert told[0].gradient_norm == pytest.approx(undisturbed[0].gradient_norm, rel=1e-5)
    assert told[-1].terms["new"] == pytest.approx(undisturbed[-1].terms["new"], rel=1e-3)
    assert any("since memory ran out" in e.text for e in happened if isinstance(e, events.Phase))


def test_out_of_memory_twice_ends_the_run_with_what_to_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    error = MemoryError()
    monkeypatch.setattr(step, "accumulate_gradients", failing_once(gradients.accumulate_gradients, error, times=2))
    with pytest.raises(TrainingError, match=r"ran out of memory .* tokens at a time"):
        list(train(naive_setup(tmp_path)))


def test_another_error_is_not_taken_for_a_lack_of_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    error = RuntimeError("shapes do not match")
    monkeypatch.setattr(step, "accumulate_gradients", failing_once(gradients.accumulate_gradients, error))
    with pytest.raises(RuntimeError, match="shapes do not match"):
        list(train(naive_setup(tmp_path)))


@pytest.mark.parametrize("most_rows", [1, 2, 3])
def test_passes_of_any_size_give_the_same_gradient(most_rows: int) -> None:
    blocks = blocks_of(random_documents(40, seed=0))
    found = []
    for rows in (None, most_rows):
        base = base_of(tiny_gpt2())
        gradients.accumulate_gradients(base, [step.Term("new", blocks)], most_rows=rows)
        found.append([weight.grad for weight in base.model.parameters()])
    assert len(blocks) > most_rows
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", ["naive", "replay+ewc", "joint"])
def test_tasks_of_one_document_shorter_than_a_block_train(name: str, tmp_path: Path) -> None:
    def short(number: int) -> EncodedTask:
        (learnt, held_out) = random_documents(2, seed=number, longest=6)
        return EncodedTask(f"short {number}", (learnt,), blocks_of([learnt]), prepare([held_out], BLOCK, 40), {})

    setup = small_setup(strategies.build(name, {}), tmp_path, tasks=2)
    happened = list(train(replace(setup, tasks=(short(0), short(1)))))
    assert isinstance(happened[-1], events.RunFinished)


def test_a_tokenizer_of_another_model_is_refused(tmp_path: Path) -> None:
    import json
    import shutil

    from engine.models.choices import EMBEDDED_FOLDER
    from engine.models.loading import load_base

    folder = tmp_path / "model"
    shutil.copytree(EMBEDDED_FOLDER / "tiny-gpt2", folder)
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    highest = max(tokenizer["model"]["vocab"].values())
    tokenizer["added_tokens"].append(
        {"id": highest + 1, "content": "<new>", "single_word": False, "lstrip": False, "rstrip": False,
         "normalized": False, "special": True}
    )  # fmt: skip
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    with pytest.raises(ModelError, match="don't belong together"):
        load_base(str(folder))
