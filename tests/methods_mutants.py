"""Mistakes in how settings are chosen and reported, each with the test that must catch it."""

from benchmarks.methods import halves, lines, runs
from engine.results import clipping, operations
from tests import test_methods_benchmark as tests
from tests.mutation import Mutant, mutant

_HALVES = tests.test_documents_with_even_numbers_are_half_a_and_the_others_half_b_by_hand
_CHOSEN = tests.test_the_setting_is_chosen_on_half_a_and_reported_on_half_b
_TESTED = tests.test_lines_are_tested_against_naive_and_the_best_of_half_a_by_hand
_TOKENS = tests.test_tokens_are_those_of_steps_teachers_and_ends_of_stages_by_hand
_TIMED = tests.test_processor_time_is_that_of_later_stages_without_scoring
_CLIPPED = tests.test_steps_beyond_the_limit_are_clipped_by_hand

MUTANTS: dict[str, Mutant] = {
    "both halves of the documents are one": mutant(
        halves, "((CHOOSING, 0), (REPORTED, 1))", "((CHOOSING, 0), (REPORTED, 0))", _HALVES
    ),
    "half B holds half A's documents too": mutant(halves, "column[first::2]", "column[:: 2 - first]", _HALVES),
    "a setting is chosen on the half that is reported": mutant(
        lines, 'setting.over_seeds("average", CHOOSING)', 'setting.over_seeds("average", REPORTED)', _CHOSEN
    ),
    "the worst setting is chosen": mutant(lines, "chosen = min(", "chosen = max(", _CHOSEN),
    "the best line is taken from the half that is reported": mutant(
        lines, "max(on_a, key=lambda name: fmean(on_a[", "max(on_b, key=lambda name: fmean(on_b[", _TESTED
    ),
    "p against naive as if one line alone were tested": mutant(lines, "holm(p_values)", "p_values", _TESTED),
    "the reference is a rival": mutant(lines, "if not line.is_reference", "if line", _TESTED),
    "a reading at the end of the last stage": mutant(runs, "ends=stage < len(tasks)", "ends=True", _TOKENS),
    "a look without a gradient counts as a backward pass": mutant(
        operations, "if reading.backward else (backward, forward + part)", "if True else (backward, forward)", _TOKENS
    ),
    "a teacher reads nothing": mutant(
        operations, "forward = in_steps, cost.forward_per_new_token *", "forward = in_steps, 0 *", _TOKENS
    ),
    "scoring counts as a strategy's time": mutant(
        runs, "if stage > 1 and not isinstance(event, events.Evaluated)", "if stage > 1", _TIMED
    ),
    "a stage that was taken over counts as one without cost": mutant(
        runs, "is_whole and not event.shared", "is_whole", _TIMED
    ),
    "a step at the limit counts as clipped by the grid": mutant(clipping, "norm > limit", "norm >= limit", _CLIPPED),
}
