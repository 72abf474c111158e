"""Mistakes in what an experiment is estimated to cost, each with the test that must catch it."""

from engine.forecast import disk, estimate, trained_weights
from engine.results import operations
from engine.strategies import costs, der, kl
from engine.strategies.tools import memory_draws
from tests.forecast import test_disk, test_estimate, test_trained_weights
from tests.mutation import Mutant, mutant
from tests.results import test_operations
from tests.strategies import test_memory_draws

_FROZEN = test_estimate.test_frozen_weights_need_neither_gradients_nor_moments_and_steps_cost_less
_ONCE = test_disk.test_the_checkpoint_of_a_stage_that_runs_share_counts_once
_FISHER = test_disk.test_fisher_information_is_there_once_for_a_stage_while_runs_go_on_and_no_state_stays
_MOST = test_disk.test_at_most_all_stages_lie_there_with_the_points_and_states_of_what_runs
_STAGES = test_trained_weights.test_every_stage_is_counted_as_its_own_draw_leaves_it
_TEACHER = test_estimate.test_what_a_teacher_reads_costs_a_third_of_what_is_trained_on
_ON_A_FILE = test_estimate.test_a_file_to_compare_on_costs_what_a_memory_does_and_nothing_is_kept_of_it
_WRITTEN = test_estimate.test_written_texts_are_as_long_as_the_documents_before_them_and_no_longer_than_a_block
_STORED = test_estimate.test_distributions_that_are_kept_take_memory_by_the_tokens_of_the_kept_documents
_LOOKED = test_estimate.test_what_is_read_without_a_gradient_after_a_stage_costs_a_third_of_the_fishers_time
_HELD = test_estimate.test_tensors_that_steps_hold_count_as_memory_and_not_on_disk
_SMALL = test_estimate.test_a_small_draw_is_of_whole_pieces_and_seldom_of_a_task_with_few_targets
_OF_PAST_TASKS = test_operations.test_what_is_drawn_of_past_tasks_is_read_with_their_prompts_and_not_with_the_new_ones
_MEAN_DRAW = test_memory_draws.test_the_mean_draw_is_the_mean_of_draws

MUTANTS: dict[str, Mutant] = {
    "gradients and moments of frozen weights": mutant(estimate, "3 * own.trained", "3 * own.whole", _FROZEN),
    "kept moments of frozen weights": mutant(disk, "moments * own.trained", "moments * own.whole", _FROZEN),
    "a state of the weights that train now alone": mutant(
        estimate, "cost.tensors * own.remembered", "cost.tensors * own.trained", _FROZEN
    ),
    "a checkpoint for each run that shares its stage": mutant(disk, "known.update(sizes)", "known.clear()", _ONCE),
    "one seed's stages for another's": mutant(disk, "(run.seed, names", "(0, names", _ONCE),
    "Fisher information of the last stage": mutant(disk, "zip(self.keys[:-1],", "zip(self.keys,", _FISHER),
    "resume points forgotten": mutant(disk, "(KEPT + 1) * (own.saved", "0 * (own.saved", _MOST),
    "steps that cost the same whatever trains": mutant(
        estimate, "(operations * self.trained + forward)", "(self.trained + forward)", _FROZEN
    ),
    "the Fisher's time whatever trains": mutant(estimate, "operations * self.fisher +", "self.fisher +", _FROZEN),
    "a reference text that counts as kept": mutant(
        kl, 'self.memory_size if self.reference_text == "memory" else 0', "self.memory_size", _ON_A_FILE
    ),
    "a reference text that counts as written": mutant(
        kl, 'self.memory_size if self.reference_text == "samples" else 0', "self.memory_size", _ON_A_FILE
    ),
    "an estimate that takes any reference text for known": mutant(
        estimate,
        "[each.key_parts for each in settings], seen.reference)",
        "[each.key_parts for each in settings])",
        test_estimate.test_stages_on_another_reference_text_are_not_taken_for_known,
    ),
    "a teacher that costs as much as a step": mutant(
        estimate, "_FORWARD_SHARE * (self.beside + self.scored)", "self.beside + _FORWARD_SHARE * self.scored", _TEACHER
    ),
    "a teacher that is cheaper where less trains": mutant(
        estimate,
        "_FORWARD_SHARE * (self.beside + self.scored)",
        "_FORWARD_SHARE * (operations * self.beside + self.scored)",
        test_estimate.test_a_teachers_pass_costs_the_same_whatever_trains,
    ),
    "a teacher that reads what steps read": mutant(
        estimate,
        "drawn / cost.tokens_per_new_token if cost.tokens_per_new_token else read",
        "read + drawn",
        _TEACHER,
    ),
    "written texts for nothing": mutant(estimate, " + _WRITTEN_SHARE * self.written", "", _WRITTEN),
    "written texts longer than a block": mutant(
        costs, "self.written_texts * min(mean, block_size)", "self.written_texts * mean", _WRITTEN
    ),
    "written texts as long as the new task's": mutant(
        estimate, "for other in sizes[: stage - 1]]", "for other in sizes[:stage]]", _WRITTEN
    ),
    "distributions without the ids of their tokens": mutant(
        estimate, "tokens * (2 * numbers - 1)", "tokens * numbers", _STORED
    ),
    "distributions of more tokens than there are": mutant(
        estimate, "min(one.numbers_per_token, speed.vocabulary + 1)", "one.numbers_per_token", _STORED
    ),
    "distributions of every task as of the first": mutant(
        costs, "divmod(self.documents, max(1, len(finished)))", "(self.documents, 0)", _STORED
    ),
    "distributions of the last task": mutant(estimate, "sizes[: min(stage, len(sizes) - 1)]", "sizes[:stage]", _STORED),
    "looking at the price of the Fisher": mutant(
        estimate, "_FORWARD_SHARE * self.looked_at", "self.looked_at", _LOOKED
    ),
    "looking at each stage at as many documents as at the first": mutant(
        der, "Reading(self.memory_size // stage, backward=False)", "Reading(self.memory_size, backward=False)", _LOOKED
    ),
    "a teacher's operations with those of replay": mutant(
        operations,
        "new = in_steps / (1 + cost.tokens_per_new_token)",
        "new = in_steps",
        test_operations.test_a_teacher_costs_two_operations_a_parameter_and_token_that_it_reads,
    ),
    "a teacher's tokens as declared where they are known": mutant(
        operations,
        "(1 + cost.tokens_per_new_token) if known is None else known",
        "(1 + cost.tokens_per_new_token)",
        test_operations.test_a_teacher_reads_what_was_really_drawn_beside_the_new_tokens,
    ),
    "written tokens forgotten among operations": mutant(
        operations,
        " + cost.written_tokens(before, training.block_size)",
        "",
        test_operations.test_written_texts_cost_a_forward_pass_a_token,
    ),
    "drawn tokens that are read as the new ones": mutant(
        operations,
        "(in_steps - new) * _reads_per_drawn(cost, tasks[: stage - 1], with_prompts, training)",
        "(in_steps - new) * with_prompts",
        _OF_PAST_TASKS,
    ),
    "drawn tokens without what is read around them": mutant(
        operations, "return draw.reads / draw.targets if draw.targets else 1.0", "return 1.0", _OF_PAST_TASKS
    ),
    "a small draw that gives every task its share": mutant(
        estimate, "wanted, training.block_size", "wanted * 1000, training.block_size", _SMALL
    ),
    "a draw of a part of a piece": mutant(
        memory_draws, "targets >= wanted * number / len(order)", "True", _MEAN_DRAW, wanted=8, names="plain"
    ),
    "documents of one length": mutant(memory_draws, "task.sample or", "", _MEAN_DRAW, wanted=8, names="chat plain"),
    "rows of every task in turn": mutant(
        memory_draws,
        "min(with_rows, key=lambda each: drawn[each])",
        "with_rows[0]",
        _MEAN_DRAW,
        wanted=400,
        names="chat plain",
    ),
    "a gradient counted where none is taken": mutant(
        operations,
        "if reading.backward else (backward, forward + part)",
        "if True else (backward, forward + part)",
        test_operations.test_what_is_read_without_a_gradient_costs_two_operations,
    ),
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
        'read.backward * own.get("operations_share", 1.0)',
        "read.backward",
        test_operations.test_a_stage_that_trains_a_part_of_the_weights_counts_the_share_that_its_run_recorded,
    ),
}
