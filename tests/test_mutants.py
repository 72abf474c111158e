"""Deliberate mistakes, each of which published code has made; the test named beside it must catch it."""

import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from engine.results import summaries
from engine.strategies import ewc
from engine.strategies.tools import fisher
from engine.tokens import blocks
from engine.training import gradients
from tests.results import test_summaries
from tests.strategies import test_ewc, test_fisher, test_replay
from tests.training import test_scoring

MUTANTS: dict[str, tuple[ModuleType, str, str, Callable[[], None]]] = {
    "the square of a batch's mean gradient as Fisher": (
        fisher,
        "_batches(documents, limit if together else 0)",
        "[[EncodedDocument(torch.cat([d.token_ids for d in documents]), 1, 0)]]",
        test_fisher.test_fisher_of_a_unigram_model_at_its_optimum_is_p_times_one_minus_p,
    ),
    "a Fisher that is not divided by its tokens": (
        fisher, "total.div_(max(tokens, 1))", "total",
        test_fisher.test_fisher_equals_a_loop_over_documents_and_counts_tied_weights_once,
    ),
    "a penalty that moves nothing": (
        ewc, "out=theta)", "out=theta.clone())",
        test_ewc.test_the_step_taken_is_the_penaltys_gradient_and_not_zero,
    ),
    "an anchor that is the weights themselves": (
        ewc, "tensor.detach().clone()", "tensor.detach()",
        test_ewc.test_later_weight_updates_do_not_move_the_anchor,
    ),
    "an accumulation that forgets the older anchor": (
        ewc, "centre + share * (reached - centre)", "reached.clone()",
        test_ewc.test_two_tensors_equal_the_explicit_sum_over_fifty_tasks_in_value_and_gradient,
    ),
    "a replay weight that scales the report alone": (
        gradients, "torch.tensor([term.weight for term in terms]", "torch.tensor([1.0 for term in terms]",
        test_replay.test_the_gradient_is_new_plus_weight_times_memory,
    ),
    "labels that are not shifted": (
        blocks, "targets = ids[1:].clone()", "targets = ids[:-1].clone()",
        test_scoring.test_scores_equal_a_loop_over_documents,
    ),
    "prompts that are scored": (
        blocks, "targets[: document.first_target - 1] = IGNORED", "pass",
        test_scoring.test_prompts_are_read_but_not_scored,
    ),
    "questions between answers that are scored": (
        blocks, "targets[~document.learnt[1:]] = IGNORED", "pass",
        test_scoring.test_questions_between_answers_are_read_but_not_scored,
    ),
    "the previous stage as the baseline of forward transfer": (
        summaries, "s[j][j] - s[0][j]", "s[j][j] - s[j - 1][j]",
        test_summaries.test_forward_transfer_is_measured_against_the_base_model,
    ),
    "forgetting counted from a task's own stage": (
        summaries, "max(s[t][j] for t in range(1, tasks))", "own[j]",
        test_summaries.test_forgetting_counts_from_a_late_peak,
    ),
    "padding in the mean": (
        gradients, "torch.tensor([term.blocks.target_tokens", "torch.tensor([term.blocks.targets.numel()",
        test_replay.test_the_gradient_is_new_plus_weight_times_memory,
    ),
}  # fmt: skip


def install(module: ModuleType, old: str, new: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put functions compiled from the changed source wherever the module's own ones are used."""
    source = Path(inspect.getfile(module)).read_text(encoding="utf-8")
    assert source.count(old) == 1, f"{old!r} no longer stands once in {module.__name__}"
    mutated = ModuleType(module.__name__)
    mutated.__dict__.update({"__file__": module.__file__, "__package__": module.__package__})
    # Dataclasses look their module up while they are made; the mutated one must not replace the real one for good.
    exec(compile(source.replace(old, new), str(module.__file__), "exec"), mutated.__dict__)
    users = [m for n, m in list(sys.modules.items()) if n.split(".")[0] in ("engine", "tests") and m is not None]
    for name, original in inspect.getmembers(module, inspect.isfunction):
        if original.__module__ != module.__name__:
            continue
        changed = mutated.__dict__[name]
        for user in users:
            if user.__dict__.get(name) is original:
                monkeypatch.setattr(user, name, changed)


@pytest.mark.parametrize("mistake", MUTANTS)
def test_the_mistake_is_caught(mistake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module, old, new, oracle = MUTANTS[mistake]
    oracle()
    with monkeypatch.context() as patched:
        install(module, old, new, patched)
        with pytest.raises(AssertionError):
            oracle()
    oracle()
