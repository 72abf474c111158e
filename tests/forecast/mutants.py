"""Mistakes in what an experiment is estimated to cost, each with the test that must catch it."""

from engine.forecast import estimate, trained_weights
from engine.results import operations
from tests.forecast import test_estimate, test_trained_weights
from tests.mutation import Mutant, mutant
from tests.results import test_operations

_FROZEN = test_estimate.test_frozen_weights_need_neither_gradients_nor_moments_and_steps_cost_less
_STAGES = test_trained_weights.test_every_stage_is_counted_as_its_own_draw_leaves_it
_HELD = test_estimate.test_tensors_that_steps_hold_count_as_memory_and_not_on_disk

MUTANTS: dict[str, Mutant] = {
    "gradients and moments of frozen weights": mutant(estimate, "3 * own.trained", "3 * own.whole", _FROZEN),
    "kept moments of frozen weights": mutant(estimate, "moments * own.trained", "moments * own.whole", _FROZEN),
    "a state of the weights that train now alone": mutant(
        estimate,
        "moments * own.trained + cost.tensors * own.remembered",
        "moments * own.trained + cost.tensors * own.trained",
        _FROZEN,
    ),
    "steps that cost the same whatever trains": mutant(estimate, "        own.operations\n", "        1.0\n", _FROZEN),
    "tensors that steps hold forgotten": mutant(estimate, " + cost.copies * own.trained", "", _HELD),
    "trained weights of the stage before": mutant(
        trained_weights,
        "strategy.prepare(model, stage, Streams(seed))",
        "strategy.prepare(model, max(1, stage - 1), Streams(seed))",
        _STAGES,
    ),
    "trained weights of another seed": mutant(trained_weights, "Streams(seed)", "Streams(0)", _STAGES),
    "operations of a run whatever trains": mutant(
        operations,
        'of_stage * own.get("operations_share", 1.0)',
        "of_stage",
        test_operations.test_a_stage_that_trains_a_part_of_the_weights_counts_the_share_that_its_run_recorded,
    ),
}
