"""Mistakes in the loop, the optimiser, the gradients, a stage's rows and the scores, each with the test that must catch
it."""

from engine.events import scores
from engine.strategies import ewc, joint
from engine.strategies.tools import all_tasks
from engine.training import drift, evaluation, failures, gradients, loop, optimizer, scoring, stage_data, step
from tests.mutation import Mutant, mutant
from tests.strategies import test_replay
from tests.tokens import test_packing
from tests.training import test_evaluation, test_failures, test_loop, test_optimizer, test_runs_by_hand, test_scoring

_BY_HAND = test_runs_by_hand.test_ewc_over_three_tasks_is_adamw_then_the_closed_proximal_step
_JOINT = test_runs_by_hand.test_joint_is_adamw_from_the_base_model_on_all_tasks
_METRIC = test_runs_by_hand.test_the_metric_is_adamws_root_mean_square_over_its_rate
_ADAMW = test_runs_by_hand.test_adamws_step_is_the_one_of_the_paper_and_decay_spares_biases_and_norms
_CLIP = test_runs_by_hand.test_clipping_scales_all_gradients_to_the_limit_and_leaves_smaller_ones
_RATES = test_runs_by_hand.test_the_learning_rate_is_a_line_up_and_half_a_cosine_or_a_line_down
_REPLAY = test_replay.test_the_gradient_is_new_plus_weight_times_memory
_PASSES = test_failures.test_passes_of_any_size_give_the_same_gradient
_SUMS = test_scoring.test_every_document_of_a_sample_has_its_own_sums
_DRAWN = test_scoring.test_of_long_held_out_text_every_seed_draws_its_own_documents
_SIZE = test_scoring.test_a_sample_has_documents_enough_for_an_error_but_not_at_any_price
_SCORE = test_scoring.test_perplexity_is_exp_of_the_mean_over_tokens
_REST = test_scoring.test_the_sample_and_the_rest_are_all_held_out_text_once
_RULED_OUT = test_evaluation.test_a_token_that_the_base_model_rules_out_adds_nothing
_PLACES = test_evaluation.test_a_long_sample_is_looked_at_in_places_all_over_it
_GOES_ON = test_evaluation.test_a_run_that_goes_on_measures_the_same_drift_without_row_0
_DIVERGES = test_failures.test_a_loss_far_beyond_guessing_is_divergence_and_a_few_rare_words_are_not

OPTIMISER: dict[str, Mutant] = {
    "a metric without the learning rate": mutant(
        optimizer, 'step, rate = state["step"], group["lr"]', 'step, rate = state["step"], 1.0', _METRIC, steps=2
    ),
    "a metric without bias correction": mutant(optimizer, "correction**-0.5 / rate", "1.0 / rate", _METRIC, steps=2),
    "a metric of the first moment's decay": mutant(optimizer, '["betas"][1]', '["betas"][0]', _METRIC, steps=2),
    "a metric whose ε is not over the rate": mutant(optimizer, 'group["eps"] / rate', 'group["eps"]', _METRIC, steps=2),
    "a metric that holds every weight where it is": mutant(
        optimizer, "        if not state:", "        if True:", _BY_HAND, accumulation="exact"
    ),
    "a weight without gradients that the pull moves": mutant(
        optimizer,
        "_IMMOVABLE = 1e30",
        "_IMMOVABLE = 1e-30",
        test_runs_by_hand.test_a_weight_that_no_gradient_has_reached_is_not_pulled,
    ),
    "moments by the places of their weights": mutant(
        optimizer,
        "{place: moments[name] for name, place in places if name in moments}",
        "dict(zip([place for _, place in places], moments.values()))",
        test_optimizer.test_another_set_gets_the_moments_of_what_both_train_by_name,
    ),
    "moments of before names were kept by the weights that train now": mutant(
        optimizer,
        "_groups_of(list(model.named_parameters()))",
        "_groups_of(list(model.named_parameters())[::-1])",
        test_optimizer.test_states_of_before_names_were_kept_are_read_by_place,
    ),
    "a pull before AdamW's step": Mutant(
        step,
        (
            ("    optimizer.step()\n", "    pass\n"),
            (
                '    if strategy.redefines("after_step") and',
                '    optimizer.step()\n    if strategy.redefines("after_step") and',
            ),
        ),
        _BY_HAND,
        (("accumulation", "exact"),),
    ),
    "exact and online accumulation exchanged": mutant(
        ewc, 'self.accumulation == "online"', 'self.accumulation == "exact"', _BY_HAND, accumulation="exact"
    ),
    "a joint run that never goes back to the base model": mutant(joint, 'start="base"', 'start="previous"', _JOINT),
    "a joint run on the newest task alone": mutant(all_tasks, "tuple(range(1, stage + 1))", "(stage,)", _JOINT),
    "weight decay on biases and norms": mutant(optimizer, '"weight_decay": 0.0', '"weight_decay": 0.1', _ADAMW),
    "weight decay that goes through the moments": mutant(optimizer, "optim.AdamW(groups", "optim.Adam(groups", _ADAMW),
    "another decay of the second moment": mutant(
        optimizer,
        "lr=training.learning_rate, fused",
        "lr=training.learning_rate, betas=(0.9, 0.99), fused",
        _METRIC,
        steps=7,
    ),
    "another decay of the first moment": mutant(
        optimizer,
        "lr=training.learning_rate, fused",
        "lr=training.learning_rate, betas=(0.8, 0.999), fused",
        _BY_HAND,
        accumulation="exact",
    ),
    "a larger ε": mutant(
        optimizer, "lr=training.learning_rate, fused", "lr=training.learning_rate, eps=1e-6, fused", _ADAMW
    ),
    "a cosine that is squared": mutant(
        optimizer,
        "0.5 * (1 - math.cos(math.pi * remaining))",
        "(0.5 * (1 - math.cos(math.pi * remaining))) ** 2",
        _RATES,
    ),
    "a warm-up that begins at nothing": mutant(optimizer, "* step / warmup", "* (step - 1) / warmup", _RATES),
    "a warm-up that is a step shorter": mutant(optimizer, "math.ceil(", "math.floor(", _RATES),
    "a decay that counts from the first step": mutant(
        optimizer, "(steps + 1 - step) / (steps + 1 - warmup)", "(steps + 1 - step) / (steps + 1)", _RATES
    ),
    "a decay that is over a step early": mutant(
        optimizer, "(steps + 1 - step) / (steps + 1 - warmup)", "(steps - step) / (steps - warmup)", _RATES
    ),
}

GRADIENTS: dict[str, Mutant] = {
    "clipping ten times too loose": mutant(
        gradients,
        "clip_grads_with_norm_(weights, limit, norm)",
        "clip_grads_with_norm_(weights, limit * 10, norm)",
        _CLIP,
        scale=100.0,
    ),
    "clipping of every tensor alone": mutant(
        gradients,
        "torch.nn.utils.clip_grads_with_norm_(weights, limit, norm)",
        "[torch.nn.utils.clip_grad_norm_([weight], limit) for weight in weights]",
        _CLIP,
        scale=3.0,
    ),
    "a replay weight that scales the report alone": mutant(
        gradients, "torch.tensor([term.weight for term in terms]", "torch.tensor([1.0 for term in terms]", _REPLAY
    ),
    "padding in the mean": mutant(
        gradients, "torch.tensor([term.blocks.target_tokens", "torch.tensor([term.blocks.targets.numel()", _REPLAY
    ),
    "one mean over the tokens of all terms": mutant(
        gradients, "torch.float64) / tokens", "torch.float64) / tokens.sum()", _REPLAY
    ),
    "a mean of means over passes of unequal size": mutant(
        gradients, "loss.backward()", "(loss * rows / len(part)).backward()", _PASSES, most_rows=3
    ),
    "a report of sums over all terms' tokens": mutant(
        gradients,
        "nats[i] / term.blocks.target_tokens",
        "nats[i] / blocks.target_tokens",
        test_runs_by_hand.test_the_reported_means_are_each_over_their_own_tokens,
    ),
    "gradients in half precision": mutant(
        gradients, "autocast(device, precision)", 'autocast(device, "bfloat16")', _REPLAY
    ),
    "the same dropout in every step": mutant(
        step,
        'random.number("dropout", at.stage, number)',
        'random.number("dropout", at.stage)',
        test_runs_by_hand.test_dropout_is_drawn_anew_at_every_step_and_again_for_the_same_seed,
    ),
    "a divergence that is seen too late": mutant(failures, "_FAR = 2.0", "_FAR = 20.0", _DIVERGES),
    "a few rare words as a divergence": mutant(failures, "_JUDGED_TOKENS = 256", "_JUDGED_TOKENS = 1", _DIVERGES),
}

STAGES: dict[str, Mutant] = {
    "a total that leaves the weights of terms out": mutant(
        step,
        "sum(weight * values[name] for name",
        "sum(values[name] for name",
        test_loop.test_the_total_is_the_sum_of_what_is_minimised_each_with_its_weight,
        name="replay",
        parameter="replay_weight",
        value=0.3,
        weights=(("replay", 0.3),),
    ),
    "rows in the order of the files": mutant(
        stage_data,
        "[torch.randperm(len(rows), generator=generator) for",
        "[torch.arange(len(rows)) for",
        test_runs_by_hand.test_every_epoch_reads_every_row_once_in_an_order_of_its_own,
    ),
    "the same order in every epoch": mutant(
        stage_data,
        "torch.cat([torch.randperm(len(rows), generator=generator) for _ in range(epochs)])",
        "torch.cat([torch.randperm(len(rows), generator=generator)] * epochs)",
        test_runs_by_hand.test_every_epoch_reads_every_row_once_in_an_order_of_its_own,
    ),
    "the same order in every stage": mutant(
        stage_data,
        '"data order", stage, number',
        '"data order", number',
        test_runs_by_hand.test_every_epoch_reads_every_row_once_in_an_order_of_its_own,
    ),
    "a budget that ends a row early": mutant(
        stage_data, ".sum()) + 1]", ".sum())]", test_loop.test_a_token_budget_ends_a_stage_with_the_row_that_reaches_it
    ),
    "tasks one after the other in a joint stage": mutant(
        stage_data,
        "if len(task_rows) > 1:",
        "if False:",
        test_runs_by_hand.test_a_stage_over_two_tasks_mixes_their_rows,
    ),
    "a last step that is left out": mutant(
        stage_data,
        "return -(-len(self.order) // self.rows_per_step)",
        "return len(self.order) // self.rows_per_step",
        test_packing.test_a_stage_over_several_tasks_takes_the_rows_that_concatenated_blocks_would_give,
        stage_tokens=None,
    ),
    "steps that are larger than was asked for": mutant(
        stage_data,
        "max(1, training.tokens_per_step // training.block_size)",
        "-(-training.tokens_per_step // training.block_size)",
        test_runs_by_hand.test_a_step_has_as_many_whole_rows_as_its_tokens_hold,
    ),
    "a stage's tokens counted once for all epochs": mutant(
        stage_data,
        "rows.row_targets[order].sum()",
        "rows.row_targets.sum()",
        test_loop.test_joint_training_gives_every_task_its_own_budget,
    ),
}

SCORES: dict[str, Mutant] = {
    "padding that is scored": mutant(
        scoring,
        "blocks.target_tokens, text_bytes",
        "len(blocks) * blocks.width, text_bytes",
        test_scoring.test_padding_counts_for_nothing,
    ),
    "a sample's bytes that are the rest's": mutant(
        scoring, "held_out.sample_bytes, _count", "held_out.rest_bytes, _count", _SUMS, prompts=False
    ),
    "a sample that is drawn from the beginning": mutant(
        scoring,
        "torch.randperm(len(whole), generator=torch.Generator().manual_seed(_DRAW)).numpy()",
        "np.arange(len(whole))",
        test_scoring.test_a_sample_of_sorted_documents_has_their_mean_length,
    ),
    "a limit that leaves the last document out": mutant(
        scoring, "order[before < limit]", "order[before + targets < limit]", _DRAWN
    ),
    "a limit that takes the first documents": mutant(
        scoring, "torch.randperm(len(whole), generator=generator).numpy()", "np.arange(len(whole))", _DRAWN
    ),
    "a rest that holds a document of the sample": mutant(
        scoring, "np.sort(drawn[size:])", "np.sort(drawn[size - 1 :])", _REST
    ),
    "sums that go to the neighbouring document": mutant(
        scoring, 'side="right") - 1', 'side="left") - 1', _SUMS, prompts=False
    ),
    "groups of documents that are not dealt out in turn": mutant(
        scoring,
        "np.concatenate(found) % max(1, count)",
        "np.minimum(np.concatenate(found), count - 1)",
        _SUMS,
        prompts=False,
    ),
    "a sample that claims to be all there is": mutant(
        scoring, "        units.out_of,\n", "        units.documents,\n", _SUMS, prompts=False
    ),
    "dropout while scoring": mutant(
        scoring,
        "with without_dropout(model), interruptible(",
        "with interruptible(",
        test_scoring.test_scores_do_not_depend_on_batching_or_on_what_shares_a_row,
    ),
    "a sample of as many tokens as it takes": mutant(scoring, "MOST_TIMES * sample_tokens / mean", "documents", _SIZE),
    "a sample that may be one document": mutant(
        scoring,
        "LEAST_DOCUMENTS, MOST_TIMES, FEWEST_DOCUMENTS = 8, 4, 3",
        "LEAST_DOCUMENTS, MOST_TIMES, FEWEST_DOCUMENTS = 1, 4, 1",
        _SIZE,
    ),
    "nats for bits": mutant(
        scores, "self.total_nats / math.log(2) / self.text_bytes", "self.total_nats / self.text_bytes", _SCORE
    ),
    "bits per token for bits per byte": mutant(
        scores, "math.log(2) / self.text_bytes", "math.log(2) / self.target_tokens", _SCORE
    ),
    "accuracy over bytes": mutant(
        scores, "self.correct_tokens / self.target_tokens", "self.correct_tokens / self.text_bytes", _SCORE
    ),
    "a sum of scores that forgets the hits": mutant(
        scores, "self.correct_tokens + other.correct_tokens", "self.correct_tokens", _SCORE
    ),
    "perplexity in bits": mutant(scores, "math.exp(self.nats_per_token)", "2**self.nats_per_token", _SCORE),
}
EVALUATION: dict[str, Mutant] = {
    "the divergence the other way round": mutant(
        drift, "wanted.exp() * (wanted - found)", "found.exp() * (found - wanted)", _RULED_OUT
    ),
    "a token that is ruled out counted": mutant(drift, "wanted > -torch.inf", "wanted >= -torch.inf", _RULED_OUT),
    "the first tokens of a sample": mutant(drift, "linspace(0, target_tokens - 1,", "linspace(0, count - 1,", _PLACES),
    "the model that is scored taken for the base": mutant(
        evaluation, "if stage == 0 or", "if stage >= 0 or", _GOES_ON, name="naive"
    ),
    "a stage shared before its scores": mutant(
        loop,
        """        keep_scores(setup, key, recorded)  # first: who takes the stage over finds what was scored inside it
        setup.shared.keep(key, steps, files)
""",
        """        setup.shared.keep(key, steps, files)
        keep_scores(setup, key, recorded)
""",
        test_evaluation.test_a_run_that_is_killed_while_it_shares_leaves_no_stage_without_its_looks,
        passage=4,
    ),
}
MUTANTS: dict[str, Mutant] = OPTIMISER | GRADIENTS | STAGES | SCORES | EVALUATION
