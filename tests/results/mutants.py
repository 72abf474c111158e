"""Mistakes in what is said of scores: summaries, comparisons, intervals and curves, each with the test that must catch
it."""

from engine.events import scores
from engine.results import clipping, clipping_words, comparison, paired_tests, summaries, task_losses, verdict
from engine.results.effects import order_effects
from engine.store import paired, reading
from tests.mutation import Mutant, mutant
from tests.results import (
    test_clipping,
    test_comparison,
    test_orders_compared,
    test_paired_tests,
    test_summaries,
    test_task_losses,
    test_verdict,
)
from tests.results.effects import test_order_effects
from tests.store import test_paired

_MATRIX = test_summaries.test_summaries_of_a_hand_made_matrix
_PEAK = test_summaries.test_forgetting_counts_from_a_late_peak
_FORWARD = test_summaries.test_forward_transfer_is_measured_against_the_base_model
_SOME = test_summaries.test_means_are_over_the_tasks_that_have_the_score
_SEEDS = test_summaries.test_the_interval_over_three_seeds_is_students
_RATIO = test_paired.test_the_error_of_a_change_is_that_of_a_ratio_over_documents_by_hand
_POINT = test_paired.test_a_point_inside_a_stage_leads_from_the_matrix_by_the_sample_s_change
_CHANGE = test_paired.test_a_change_has_the_interval_of_its_number_of_looks_by_hand
_LEVELS = test_comparison.test_levels_are_in_the_scores_own_unit_and_losses_above_zero_where_something_was_lost
_GAP = test_comparison.test_the_stability_gap_is_the_deepest_fall_inside_later_stages
_FRONT = test_comparison.test_the_pareto_front_holds_what_nothing_beats_in_everything
_BEST = test_comparison.test_the_checkpoint_that_kept_most_is_not_the_reference
_JOINT = test_comparison.test_intransigence_is_taken_from_the_joint_run_of_the_same_seed
_COUNTED = test_clipping.test_a_step_counts_as_clipped_beyond_the_limit_and_not_at_it
_PACKED = test_paired.test_sums_come_back_from_their_packing_and_take_a_few_bytes_a_document
_LOST = test_task_losses.test_a_task_lost_what_its_score_fell_by_since_its_own_stage_and_most_of_it_where_it_fell_most
_LOST_OWN = test_task_losses.test_a_stage_that_taught_nothing_of_its_own_task_is_no_loss_since_then
_SQUARES = test_order_effects.test_the_sums_of_squares_of_a_table_by_hand
_SQUARES_OF_SEEDS = test_order_effects.test_seeds_around_the_same_means_count_every_run_and_add_their_own_part
_LOST_ACCURACY = test_task_losses.test_accuracy_that_rises_is_no_loss

SUMMARIES: dict[str, Mutant] = {
    "the previous stage as the baseline of forward transfer": mutant(
        summaries, "s[j][j] - s[0][j]", "s[j][j] - s[j - 1][j]", _FORWARD
    ),
    "the share that was lost as the share that was kept": mutant(
        summaries,
        "[1 - lost for",
        "[lost for",
        test_summaries.test_what_was_kept_is_a_share_of_what_each_task_s_own_stage_taught,
    ),
    "forward transfer after the task's own stage": mutant(
        summaries, "s[j][j] - s[0][j]", "s[j + 1][j] - s[0][j]", _FORWARD
    ),
    "forgetting counted from a task's own stage": mutant(
        summaries, "max(s[t][j] for t in range(1, tasks))", "own[j]", _PEAK
    ),
    "forgetting that can't be negative": mutant(
        summaries,
        "for t in range(1, tasks))",
        "for t in range(1, tasks + 1))",
        test_summaries.test_forgetting_is_negative_where_the_last_stage_improved_everything,
    ),
    "forgetting counted from the base model": mutant(
        summaries,
        "for t in range(1, tasks))",
        "for t in range(tasks))",
        test_summaries.test_what_the_base_model_knew_and_the_first_stage_undid_is_not_forgetting,
    ),
    "tasks taken for later ones by their place among those with the score": mutant(
        summaries,
        "own = s[tasks], {j: s[j + 1][j]",
        "own = s[tasks], {j: s[columns.index(j) + 1][j]",
        _SOME,
        missing=None,
    ),
    "forgetting over all tasks": mutant(
        summaries,
        "for t in range(1, tasks)) - last[j] for j in past)",
        "for t in range(1, tasks)) - last[j] for j in range(tasks))",
        _PEAK,
    ),
    "backward transfer from the base model": mutant(summaries, "last[j] - own[j]", "last[j] - s[0][j]", _MATRIX),
    "the last row as what was learnt": mutant(summaries, "j: s[j + 1][j] for", "j: s[tasks][j] for", _MATRIX),
    "the row before as what was learnt": mutant(summaries, "j: s[j + 1][j] for", "j: s[j][j] for", _MATRIX),
    "losses that are not turned": mutant(
        summaries,
        "(-x if lower_is_better",
        "(x if lower_is_better",
        test_summaries.test_a_loss_and_its_negative_as_a_score_give_the_same_summaries,
    ),
    "forgetting relative to the score itself": mutant(
        summaries, "(own[j] - last[j]) / learned", "(own[j] - last[j]) / own[j]", _MATRIX
    ),
    "the last fall for the deepest": mutant(
        summaries,
        "max(inside_later_stages) if",
        "inside_later_stages[-1] if",
        test_summaries.test_the_stability_gap_is_the_worst_fall_inside_later_stages,
    ),
    "intransigence upside down": mutant(
        summaries, "else a - b", "else b - a", test_summaries.test_intransigence_is_what_joint_learned_beyond
    ),
    "an interval of the normal distribution": mutant(summaries, "float(stdtrit(freedom, 0.975))", "1.96", _SEEDS),
    "an interval with a degree of freedom too many": mutant(
        summaries, "freedom = len(values) - 1", "freedom = len(values)", _SEEDS
    ),
    "an interval of the values and not of their mean": mutant(
        summaries, "stdev(values) / math.sqrt(len(values))", "stdev(values)", _SEEDS
    ),
    "a deviation over n": mutant(
        summaries,
        "stdev(values) / math.sqrt(len(values))",
        "stdev(values) / math.sqrt(len(values)) * math.sqrt(freedom / len(values))",
        _SEEDS,
    ),
}

CURVES: dict[str, Mutant] = {
    "a sample that is taken for an endless population's": mutant(paired, "(1 - documents / out_of) *", "", _RATIO),
    "an error that divides by n": mutant(paired, "len(z) / (len(z) - 1)", "1.0", _RATIO),
    "residuals around the mean of documents": mutant(paired, "(z - value * x) ** 2", "(z - z.mean()) ** 2", _RATIO),
    "an error of the single document": mutant(paired, "* squares)) / total", "* squares / len(z))) / total", _RATIO),
    "a mean of documents for one of tokens": mutant(
        paired, "value = float(z.sum()) / total if", "value = float((z / x).mean()) if", _RATIO
    ),
    "a curve on the sample's own level": mutant(
        paired,
        "whole.nats_per_token + nats / now.target_tokens",
        "before.nats_per_token + nats / now.target_tokens",
        _POINT,
    ),
    "nats for bits in a curve": mutant(paired, "nats / math.log(2) / now.text_bytes", "nats / now.text_bytes", _POINT),
    "nats for bits in a curve's interval": mutant(
        paired,
        "half(nats / math.log(2), text_bytes)",
        "half(nats, text_bytes)",
        test_paired.test_every_score_s_interval_is_the_one_of_its_own_ratio,
    ),
    "bytes for tokens in an accuracy's interval": mutant(
        paired,
        "half(hits, tokens)",
        "half(hits, text_bytes)",
        test_paired.test_every_score_s_interval_is_the_one_of_its_own_ratio,
    ),
    "a perplexity's interval put around it": mutant(
        paired,
        '"perplexity": _exp(values["nats_per_token"])',
        '"perplexity": _exp(middles["nats_per_token"]) + by * half["nats_per_token"]',
        _POINT,
    ),
    "an interval with one degree of freedom too many": mutant(
        paired, "2, len(nats) - 1) if", "2, len(nats)) if", _POINT
    ),
    "looks that are not counted": mutant(paired, "/ 2 / max(1, looks)", "/ 2", _CHANGE),
    "an interval of one side": mutant(paired, "(1 - CONFIDENCE) / 2 / max", "(1 - CONFIDENCE) / max", _CHANGE),
    "a change's interval with one degree too many": mutant(
        paired, "_quantile(share, len(z) - 1)", "_quantile(share, len(z))", _CHANGE
    ),
    "a change as of the sample's own text alone": mutant(
        paired, "difference(z, x, 0, 1)", "difference(z, x, now.documents, now.out_of)", _CHANGE
    ),
    "a change that is called worse within its interval": mutant(
        paired,
        "self.value - self.half_width > 0",
        "self.value > 0",
        test_paired.test_more_looks_ask_for_a_larger_change_and_one_document_for_none,
    ),
    "columns exchanged in their packing": mutant(
        scores,
        "np.array([self.tokens, self.text_bytes, self.hits]",
        "np.array([self.text_bytes, self.tokens, self.hits]",
        _PACKED,
    ),
    "nats packed in half precision": mutant(
        scores, 'np.array(self.nats, "<f4")', 'np.array(self.nats, "<f2").astype("<f4")', _PACKED
    ),
}

COMPARED: dict[str, Mutant] = {
    "a loss that is taken for a gain": mutant(
        comparison, "-1.0 if score in LOWER_IS_BETTER", "1.0 if score in LOWER_IS_BETTER", _LEVELS
    ),
    "the last task among the earlier ones": mutant(
        comparison, "for value in rows[-1][:-1] if", "for value in rows[-1] if", _LEVELS
    ),
    "the first look for what was learnt": mutant(
        comparison,
        "stability_gap(learned[-1]",
        "stability_gap(learned[0]",
        test_comparison.test_a_fall_is_taken_from_the_end_of_the_task_s_own_stage,
    ),
    "looks inside the task's own stage as falls": mutant(
        comparison,
        "if stage > own_stage]",
        "if stage >= own_stage]",
        test_comparison.test_a_fall_is_taken_from_the_end_of_the_task_s_own_stage,
    ),
    "a front of what is best in one thing": mutant(
        comparison, "(values <= row).all(axis=1)", "(values <= row).any(axis=1)", _FRONT
    ),
    "a front with gaps": mutant(comparison, "bool(row.notna().all()) and not", "not", _FRONT),
    "the worst checkpoint": mutant(comparison, "kept.idxmax()", "kept.idxmin()", _BEST),
    "the joint reference as the best": mutant(
        comparison, "done = others if len(others) else done", "others = done", _BEST
    ),
    "the joint run of another seed": Mutant(
        comparison,
        (("if (j.experiment_id, j.seed, j.task_order) == own_draw", "if j.experiment_id == run.experiment_id"),),
        _JOINT,
    ),
    "the joint run of another order": mutant(
        comparison,
        "if (j.experiment_id, j.seed, j.task_order) == own_draw",
        "if (j.experiment_id, j.seed) == own_draw[:2]",
        test_orders_compared.test_intransigence_is_taken_from_the_joint_run_of_the_same_order,
    ),
    "runs of one seed paired whatever their order": mutant(
        comparison,
        'if runs["task_order"].notna().any():',
        "if False:",
        test_orders_compared.test_draws_that_not_all_have_finished_are_left_out_of_the_tests,
    ),
    "stages that are missing in the middle": mutant(
        comparison,
        "if stage != len(rows) or has_gap:",
        "if has_gap:",
        test_comparison.test_a_matrix_ends_before_a_stage_that_is_missing,
    ),
    "seeds that only one configuration has": mutant(
        verdict,
        "frozenset.intersection(*seeds)",
        "frozenset.union(*seeds)",
        test_verdict.test_only_seeds_that_every_configuration_completed_are_judged,
    ),
    "joint among the rivals": mutant(
        verdict,
        'table[~table["strategy"].map(trains_on_all).astype(bool)] if len(table) else table',
        "table",
        test_verdict.test_joint_is_the_reference_and_never_the_winner,
    ),
    "a winner that scores worst": mutant(
        verdict,
        "sort_values(ascending=False)",
        "sort_values(ascending=True)",
        test_verdict.test_the_verdict_names_what_kept_most_and_its_price,
    ),
}

CLIPPED: dict[str, Mutant] = {
    "a step clipped at the very limit": mutant(
        reading, "table.c.gradient_norm > limit", "table.c.gradient_norm >= limit", _COUNTED
    ),
    "the part of a gradient that clipping takes": mutant(reading, "limit / norm)", "1 - limit / norm)", _COUNTED),
    "gradients that were not clipped left out of the mean": mutant(
        clipping, "self.kept / self.steps", "self.kept / self.clipped", _COUNTED
    ),
    "stages that replace each other": mutant(clipping, "self.clipped + other.clipped", "other.clipped", _COUNTED),
    "half of the steps as most of them": mutant(
        clipping_words,
        "found.share > MOST",
        "found.share >= MOST",
        test_clipping.test_the_words_name_shares_limit_and_stages,
    ),
    "gradients called longer without a look at naive": mutant(
        clipping_words,
        'MUCH_LESS * naive["kept_share"]',
        "MUCH_LESS",
        test_clipping.test_less_than_half_of_what_naive_keeps_is_told_with_what_it_means_under_adamw,
    ),
}

_BY_HAND = test_paired_tests.test_the_paired_test_of_three_seeds_by_hand
_HOLM = test_paired_tests.test_holm_steps_down_as_in_his_table
_DETECTED = test_paired_tests.test_a_difference_of_the_detectable_size_is_established_in_four_of_five_experiments
_FAR = test_verdict.test_a_difference_that_stands_is_said_first_however_much_the_intervals_of_the_means_overlap

TESTED: dict[str, Mutant] = {
    "a test of one side": mutant(paired_tests, "2 * stdtr(", "stdtr(", _BY_HAND),
    "a test with a degree of freedom too many": mutant(
        paired_tests, "stdtr(seeds - 1, -np", "stdtr(seeds, -np", _BY_HAND
    ),
    "a test of the single difference and not of the mean": mutant(
        paired_tests, "(spread / sqrt(seeds))", "spread", _BY_HAND
    ),
    "a test with a deviation over n": mutant(paired_tests, ".std(axis=-1, ddof=1)", ".std(axis=-1)", _BY_HAND),
    "a difference that is below zero in the winner's favour": mutant(
        paired_tests, "scores[best][seed] - scores[rival][seed]", "scores[rival][seed] - scores[best][seed]", _BY_HAND
    ),
    "a test of two samples": mutant(
        paired_tests,
        "spread = differences.std(axis=-1, ddof=1)",
        "spread = np.hypot(one.std(axis=-1, ddof=1), other.std(axis=-1, ddof=1))",
        _BY_HAND,
    ),
    "rounding that is taken for chance": mutant(
        paired_tests,
        "spread > _ROUNDING * largest",
        "spread > 0.0",
        test_paired_tests.test_a_difference_that_is_the_same_in_every_seed_is_not_tested_but_for_rounding,
    ),
    "Bonferroni's correction for Holm's": mutant(paired_tests, "(m - smaller) * p", "m * p", _HOLM),
    "steps one too low": mutant(paired_tests, "(m - smaller) * p", "(m - smaller - 1) * p", _HOLM),
    "steps that may fall": mutant(paired_tests, "floor = max(floor, min(", "floor = max(0.0, min(", _HOLM),
    "a p above one": mutant(paired_tests, "min(1.0, (m - smaller) * p)", "(m - smaller) * p", _HOLM),
    "corrected p in sorted order": mutant(
        paired_tests, "corrected[position] = floor", "corrected[smaller] = floor", _HOLM
    ),
    "comparisons that can't be tested left out of the count": mutant(
        paired_tests,
        "(m - smaller) * p",
        "(len(known) - smaller) * p",
        test_paired_tests.test_what_can_not_be_tested_counts_as_a_comparison_without_a_difference,
    ),
    "a correction over the pairs with the best alone": mutant(
        paired_tests,
        "corrected = holm(p_values)",
        "corrected = [None if p is None else min(1.0, (len(names) - 1) * p) for p in p_values]",
        test_paired_tests.test_without_any_difference_the_best_is_seldom_said_to_be_better_than_another,
    ),
    "no correction": mutant(
        paired_tests,
        "self.corrected_p is not None and self.corrected_p <",
        "self.p is not None and self.p <",
        test_paired_tests.test_without_any_difference_the_best_is_seldom_said_to_be_better_than_another,
    ),
    "a detectable difference of one side": mutant(
        paired_tests, "1 - SIGNIFICANCE / 2 / pairs", "1 - SIGNIFICANCE / pairs", _DETECTED
    ),
    "a detectable difference without correction": mutant(
        paired_tests, "1 - SIGNIFICANCE / 2 / pairs", "1 - SIGNIFICANCE / 2", _DETECTED
    ),
    "a detectable difference that is seldom detected": mutant(
        paired_tests, "1 - POWER, critical", "POWER, critical", _DETECTED
    ),
    "a detectable difference of the mean's error": mutant(
        paired_tests, "critical)) / sqrt(seeds)", "critical))", _DETECTED
    ),
    "a verdict on means that are not paired": mutant(
        verdict,
        "scores[name][draw] = better",
        "scores[name][(3 - draw) % 3 if name == 'naive' else draw] = better",
        _FAR,
    ),
    "a loss for a gain in a paired difference": mutant(
        verdict, "-1.0 if measure in LOSSES else sign(score)", "1.0", _FAR
    ),
    "a winner clear of the next best alone": mutant(
        verdict,
        "all(each.is_established for each in differences)",
        "any(each.is_established for each in differences)",
        test_verdict.test_the_chance_is_corrected_for_every_pair_and_the_others_are_named,
    ),
}

LOST: dict[str, Mutant] = {
    "losses counted from the base model": mutant(
        task_losses, "lost = factor * (scores[task]", "lost = factor * (scores[0]", _LOST
    ),
    "a loss in its own stage": mutant(task_losses, "range(task + 1, last + 1)]", "range(task, last + 1)]", _LOST_OWN),
    "the stage before the one that lost most": mutant(
        task_losses, "(scores[t - 1] - scores[t]), t)", "(scores[t - 1] - scores[t]), t - 1)", _LOST
    ),
    "the first loss as the largest": mutant(task_losses, "lambda each: each[0]", "lambda each: -each[1]", _LOST),
    "a loss of accuracy for a gain": mutant(
        task_losses, "factor, last = sign(score),", "factor, last = -1.0,", _LOST_ACCURACY
    ),
}

EFFECTS: dict[str, Mutant] = {
    "a strategy's squares counted once an order": mutant(
        order_effects, "orders * seeds * ((of_strategy", "seeds * ((of_strategy", _SQUARES
    ),
    "an order's squares counted once a seed": mutant(
        order_effects, "strategies * seeds * ((of_order", "seeds * ((of_order", _SQUARES_OF_SEEDS
    ),
    "what both do without what each does": mutant(
        order_effects, "- of_order[None, :] + whole", "- of_order[None, :]", _SQUARES
    ),
    "squares of means for those of runs": mutant(order_effects, "seeds * (both**2).sum()", "(both**2).sum()",
                                                 _SQUARES_OF_SEEDS),
}  # fmt: skip

MUTANTS: dict[str, Mutant] = SUMMARIES | CURVES | COMPARED | CLIPPED | TESTED | LOST | EFFECTS
