"""Mistakes in the strategies, their memory and the Fisher information, each with the test that must catch it."""

from engine.strategies import averaging, combined, ewc, l2, replay, reptile
from engine.strategies.tools import document_gradients, fisher, memory, memory_draws
from engine.training import loop
from tests.builders import tiny_gpt2
from tests.mutation import Mutant, mutant
from tests.strategies import (
    test_averaging,
    test_ewc,
    test_fisher,
    test_l2,
    test_memory,
    test_replay,
    test_reptile,
    test_shorthands,
)
from tests.strategies.adapter_mutants import ADAPTERS
from tests.strategies.step_mutants import STEPS
from tests.strategies.taught_mutants import TAUGHT
from tests.training import test_opening, test_runs_by_hand

_BY_HAND = test_runs_by_hand.test_ewc_over_three_tasks_is_adamw_then_the_closed_proximal_step
_UNIGRAM = test_fisher.test_fisher_of_a_unigram_model_at_its_optimum_is_p_times_one_minus_p
_LOOP = test_fisher.test_fisher_equals_a_loop_over_documents_and_counts_tied_weights_once
_SAMPLED = test_memory.test_four_hundred_drawn_targets_give_p_times_one_minus_p
_ORDERS = test_fisher.test_fisher_is_the_same_in_every_order_padding_and_batch_size
_TOGETHER = test_fisher.test_documents_that_share_a_pass_give_what_each_gives_alone
_BALANCED = test_replay.test_memory_never_exceeds_its_size_and_stays_balanced
_SHARES = test_replay.test_a_draw_takes_the_same_share_of_tokens_from_every_task
_MANY = test_replay.test_a_draw_is_no_larger_with_many_past_tasks_and_gives_each_its_share
_LIKELY = test_memory.test_every_document_of_a_task_is_as_likely_to_be_kept
_PIECES = test_memory.test_every_piece_of_every_document_is_as_likely_to_be_drawn
_FULL = test_memory.test_a_draw_of_several_rows_is_of_full_ones_and_of_as_many_tokens_as_were_asked_for
_DENSE = test_memory.test_sparse_and_dense_tasks_have_the_same_share_of_the_targets
_SINGLE = test_memory.test_every_document_is_as_likely_in_a_draw_of_less_than_a_row
_TERM = test_memory.test_a_replay_term_has_its_weight_and_its_share_of_tokens_and_is_drawn_anew_at_every_step
_STRENGTH = test_ewc.test_a_strength_of_one_makes_lambda_times_the_mean_fisher_the_unit_whatever_the_fishers_scale
_SCALE = test_ewc.test_the_scale_is_the_mean_of_the_first_tasks_fisher_over_all_weights_and_stays
_L2 = test_runs_by_hand.test_l2_over_three_tasks_is_adamw_then_the_closed_proximal_step
_AVERAGING = test_runs_by_hand.test_averaging_over_three_tasks_is_adamw_whose_moments_go_on_from_the_average
_PARTS = test_averaging.test_parts_end_where_shares_of_the_steps_round_to_and_at_the_end
_REPTILE = test_reptile.test_after_every_second_step_it_goes_a_quarter_of_the_way_and_at_the_end_of_the_one_that_is_left
_JOINED = test_opening.test_joined_strategies_take_over_what_they_share_with_their_parts_and_no_state_of_another_shape

FISHER: dict[str, Mutant] = {
    "the square of a batch's mean gradient as Fisher": mutant(
        fisher,
        "_batches(documents, limit if together else 0)",
        "[[EncodedDocument(torch.cat([d.token_ids for d in documents]), 1, 0)]]",
        _UNIGRAM,
    ),
    "a Fisher that is not divided by its tokens": mutant(fisher, "total.div_(max(tokens, 1))", "total", _LOOP),
    "a Fisher that is divided by its documents": mutant(
        fisher, "sum(document.target_tokens for document in documents)", "len(documents)", _LOOP
    ),
    "a Fisher that is divided by all tokens, prompts too": mutant(
        fisher,
        "sum(document.target_tokens for document in documents)",
        "sum(len(d.token_ids) - 1 for d in documents)",
        test_memory.test_fisher_of_documents_with_prompts_is_per_target_token,
    ),
    "absolute gradients as Fisher": mutant(
        fisher, "total.addcmul_(gradient, gradient)", "total.add_(gradient.abs())", _UNIGRAM
    ),
    "the likeliest token for a drawn one": mutant(
        fisher,
        "torch.multinomial(probabilities, 1, generator=generator).squeeze(-1)",
        "probabilities.argmax(-1)",
        _SAMPLED,
    ),
    "tokens drawn from flattened probabilities": mutant(
        fisher, "logits.detach().float().softmax(-1)", "(logits.detach().float() / 2).softmax(-1)", _SAMPLED
    ),
    "a Fisher under dropout": mutant(
        fisher,
        "with without_dropout(model), interruptible(",
        "with interruptible(",
        test_fisher.test_fisher_restores_mode_and_gradients_and_ignores_dropout,
    ),
    "the last pass of a long document for all of it": mutant(
        fisher, "gradients = [_sum(old, new) for", "gradients = [new for", _ORDERS
    ),
    "documents that share a pass squared in pairs": mutant(
        document_gradients,
        "total = torch.zeros((len(self.sizes), *values.shape[1:]), device=values.device)",
        "owner = owner // 2; total = torch.zeros((len(self.sizes), *values.shape[1:]), device=values.device)",
        _TOGETHER,
        make=tiny_gpt2,
    ),
    "an embedding's gradient squared by token": mutant(
        document_gradients,
        "torch.unique(owner * len(weight) + use.inputs, return_inverse=True)",
        "(use.inputs, torch.arange(len(use.inputs), device=weight.device))",
        _TOGETHER,
        make=test_fisher.tiny_llama,
    ),
    "norms whose input is not normalised": mutant(
        document_gradients,
        "F.layer_norm(use.inputs.float(), layer.normalized_shape, eps=layer.eps)",
        "use.inputs.float()",
        _TOGETHER,
        make=tiny_gpt2,
    ),
}
REMEMBERED: dict[str, Mutant] = {
    "an anchor that is the weights themselves": mutant(
        ewc, "tensor.detach().clone()", "tensor.detach()", _BY_HAND, accumulation="online"
    ),
    "an accumulation that forgets the older anchor": mutant(
        ewc, "centre + share * (reached - centre)", "reached.clone()", _BY_HAND, accumulation="exact"
    ),
    "an accumulation that forgets the older importance": mutant(
        ewc,
        "importance[name], anchor[name] = total,",
        "importance[name], anchor[name] = new,",
        _BY_HAND,
        accumulation="exact",
    ),
    "an online form that forgets nothing": mutant(
        ewc, "decay * past.importance[name] + fisher", "past.importance[name] + fisher", _BY_HAND, accumulation="online"
    ),
    "a Fisher of every document, however many were asked for": mutant(
        ewc,
        "order[: self.fisher_documents]",
        "order",
        test_memory.test_the_fisher_is_estimated_from_as_many_documents_as_were_asked_for,
    ),
    "a Fisher of the first documents": mutant(
        ewc,
        'torch.randperm(len(end.documents), generator=random.generator("fisher documents", end.stage))',
        "torch.arange(len(end.documents))",
        test_memory.test_the_fisher_is_estimated_from_as_many_documents_as_were_asked_for,
    ),
    "a shared Fisher that does not name its number of documents": mutant(
        ewc,
        '("fisher", self.fisher, self.fisher_documents)',
        '("fisher", self.fisher)',
        test_memory.test_a_shared_fisher_is_named_by_all_that_determines_it,
    ),
    "a shared Fisher that does not name its targets": mutant(
        ewc,
        '("fisher", self.fisher, self.fisher_documents)',
        '("fisher", self.fisher_documents)',
        test_memory.test_a_shared_fisher_is_named_by_all_that_determines_it,
    ),
    "a memory that is not full": mutant(memory, "share + (1 if number < extra else 0)", "share", _BALANCED),
    "a memory that keeps every task's first share": mutant(memory, "docs[:kept] for docs", "docs for docs", _BALANCED),
    "a memory of the first documents": mutant(
        memory,
        "torch.randperm(len(documents), generator=generator)[: shares[-1]].tolist()",
        "list(range(min(len(documents), shares[-1])))",
        _LIKELY,
    ),
    "a memory in the order of the files, so that room is made at its end": mutant(
        memory, "[: shares[-1]].tolist()", "[: shares[-1]].sort().values.tolist()", _LIKELY
    ),
    "a draw from the first task alone": mutant(memory, "target_tokens * number / len(tasks)", "target_tokens", _SHARES),
    "a draw of as many tokens from every task": mutant(
        memory, "target_tokens * number / len(tasks)", "target_tokens * number", _SHARES
    ),
    "a draw that begins with the same task": mutant(
        memory, "torch.randperm(len(packed), generator=generator).tolist()", "range(len(packed))", _MANY
    ),
    "a draw of first pieces": mutant(
        memory, "parts[int(torch.randint(len(parts), (1,), generator=generator))]", "parts[0]", _PIECES
    ),
    "a draw of the memory's first documents": mutant(
        memory,
        "torch.randperm(len(packed[task].of_document), generator=generator).tolist()",
        "range(len(packed[task].of_document))",
        _SINGLE,
    ),
    "a draw of the memory's first rows": mutant(
        memory,
        "torch.randperm(len(packed[task].rows), generator=generator).tolist()",
        "list(range(len(packed[task].rows)))",
        _PIECES,
    ),
    "rows that hold a document each": mutant(
        memory,
        "if together:\n            order, counts = best_fit(np.array([len(each",
        "if False:\n            order, counts = best_fit(np.array([len(each",
        _FULL,
    ),
    "a row from every task in turn, whatever its targets": mutant(
        memory,
        "min(open_tasks, key=lambda each: drawn[each])",
        "min(open_tasks, key=lambda each: len(packed[each].rows) - len(orders[each]))",
        _DENSE,
    ),
    "a rest of a row that is drawn as a whole one": mutant(memory, "left < a_row - may_miss", "left <= 0", _FULL),
    "an empty place for every piece of a row that is left": mutant(memory_draws, "_TOLERATED * wanted", "0.0", _FULL),
    "a draw that counts prompts": mutant(
        memory,
        "int((part.targets != IGNORED).sum())",
        "len(part.targets)",
        test_memory.test_a_draw_counts_targets_and_not_prompts,
    ),
    "a replay term without its weight": mutant(
        replay, "self.name, drawn, self.replay_weight", '"replay", drawn', _TERM
    ),
    "replay of as many tokens as there are inputs": mutant(
        memory, "batch.blocks.target_tokens * ratio", "batch.blocks.targets.numel() * ratio", _TERM
    ),
    "a ratio upside down": mutant(
        memory, "batch.blocks.target_tokens * ratio", "batch.blocks.target_tokens / ratio", _TERM
    ),
    "the same replayed documents at every step": mutant(
        replay, '"memory draw", batch.stage, batch.step', '"memory draw", batch.stage', _TERM
    ),
}

WEIGHTS: dict[str, Mutant] = {
    "a strength that forgets the Fisher's scale": mutant(
        ewc, "UNIT / past.first_mean if past.first_mean else 0.0", "UNIT", _STRENGTH
    ),
    "a strength that is always one": mutant(ewc, "self.ewc_strength * UNIT", "UNIT", _STRENGTH),
    "a scale of the newest task's Fisher": mutant(
        ewc, "past.first_mean or _mean(fisher)", "_mean(fisher)", _SCALE, accumulation="exact"
    ),
    "a scale of the mean over tensors": mutant(
        ewc,
        "summed([each.sum() for each in fisher.values()])) / sum(each.numel() for each in fisher.values())",
        "summed([each.mean() for each in fisher.values()])) / len(fisher)",
        _SCALE,
        accumulation="online",
    ),
    "the base model for the previous weights": mutant(
        l2, '0 if self.reference == "base" else begin.stage - 1', "0", _L2, reference="previous"
    ),
    "the previous weights for the base model": mutant(
        l2, '0 if self.reference == "base" else begin.stage - 1', "begin.stage - 1", _L2, reference="base"
    ),
    "an L2 pull without its λ": mutant(
        l2, "state.fixed.tensors, self.l2_lambda", "state.fixed.tensors, 1.0", _L2, reference="base"
    ),
    "an L2 pull towards the previous task where there is none": mutant(
        l2, '(stage > 1 or self.reference == "base")', "True", test_l2.test_it_is_ewc_with_a_fisher_of_one_bit_for_bit
    ),
    "an average with its weights exchanged": mutant(
        averaging, "[name], self.averaging_weight)", "[name], 1 - self.averaging_weight)", _AVERAGING
    ),
    "an average with the base model": mutant(
        averaging, "begin.kept_weights(begin.starts_from)", "begin.kept_weights(0)", _AVERAGING
    ),
    "an average in the first stage": mutant(
        averaging, "stage > 1 and self.averaging_weight", "self.averaging_weight", _AVERAGING
    ),
    "an end of a stage that is not averaged": mutant(
        averaging, "step == steps or step in", "step in", _PARTS, share=0.6, steps=10, ends=(6, 10)
    ),
    "a stage that is averaged at its end alone": mutant(
        averaging,
        "step == steps or step in",
        "step == steps or step - steps in",
        _PARTS,
        share=0.6,
        steps=10,
        ends=(6, 10),
    ),
    "parts that end a step early": mutant(
        averaging,
        "round(part * self.every_share * steps)",
        "int(part * self.every_share * steps)",
        _PARTS,
        share=0.25,
        steps=10,
        ends=(2, 5, 8, 10),
    ),
    "slow weights that stay": mutant(reptile, "State(moving=slow)", "state", _REPTILE),
    "weights that do not go back": mutant(reptile, "weight.copy_(slow[name])", "weight.copy_(weight)", _REPTILE),
    "a meta rate from the other end": mutant(
        reptile, ".lerp(weight, self.meta_rate)", ".lerp(weight, 1 - self.meta_rate)", _REPTILE
    ),
    "a last group that is left out": mutant(
        reptile, "(step.step % self.every_steps and not is_last)", "(step.step % self.every_steps)", _REPTILE
    ),
    "groups that end a step early": mutant(
        reptile, "step.step % self.every_steps", "(step.step + 1) % self.every_steps", _REPTILE
    ),
    "a joined strategy that takes over its part's state": mutant(
        combined,
        "if self.makes_state(stage):",
        "if False:",
        _JOINED,
        names=("replay+reptile", "reptile"),
        others=("naive",),
    ),
    "plain training that is kept with a state": mutant(
        loop,
        "setup.strategy.makes_state(progress.position.stage)",
        'setup.strategy.redefines("begin_stage", "after_step")',
        _JOINED,
        names=("averaging", "replay+averaging"),
        others=("replay", "ewc"),
    ),
}

SHARES: dict[str, Mutant] = {
    "a percentage taken for a ratio": mutant(
        replay,
        "old_text_percent / (100 - old_text_percent)",
        "old_text_percent / 100",
        test_shorthands.test_twenty_percent_old_text_sets_weight_and_ratio_to_a_quarter,
    ),
    "the weight taken for the share of the loss": mutant(
        replay,
        "percent(each / (1 + each))",
        "percent(each)",
        test_shorthands.test_replay_says_how_much_of_the_loss_and_of_the_tokens_is_old_text,
    ),
    "two shares as one percentage": mutant(
        replay,
        "if weight == ratio else None",
        "",
        test_shorthands.test_values_of_two_shares_are_no_one_percentage,
    ),
}

MUTANTS: dict[str, Mutant] = FISHER | REMEMBERED | WEIGHTS | STEPS | TAUGHT | SHARES | ADAPTERS
