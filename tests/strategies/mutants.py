"""Mistakes in the strategies, their memory and the Fisher information, each with the test that must catch it."""

from engine.strategies import ewc, replay
from engine.strategies.tools import document_gradients, fisher, memory
from tests.builders import tiny_gpt2
from tests.mutation import Mutant, mutant
from tests.strategies import test_fisher, test_memory, test_replay
from tests.strategies.adapter_mutants import ADAPTERS
from tests.strategies.step_mutants import STEPS
from tests.training import test_runs_by_hand

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
_TERM = test_memory.test_a_replay_term_has_its_weight_and_its_share_of_tokens_and_is_drawn_anew_at_every_step

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
        memory, "torch.randperm(len(tasks), generator=generator).tolist(), start=1", "range(len(tasks)), start=1", _MANY
    ),
    "a draw of first pieces": mutant(
        memory, "parts[int(torch.randint(len(parts), (1,), generator=generator))]", "parts[0]", _PIECES
    ),
    "a draw of the memory's first documents": mutant(
        memory, "torch.randperm(len(documents), generator=generator).tolist():", "range(len(documents)):", _PIECES
    ),
    "a draw that counts prompts": mutant(
        memory,
        "int((part.targets >= 0).sum())",
        "len(part.targets)",
        test_memory.test_a_draw_counts_targets_and_not_prompts,
    ),
    "a replay term without its weight": mutant(
        replay, "self.name, drawn, self.replay_weight", '"replay", drawn', _TERM
    ),
    "replay of as many tokens as there are inputs": mutant(
        replay,
        "batch.blocks.target_tokens * self.replay_ratio",
        "batch.blocks.targets.numel() * self.replay_ratio",
        _TERM,
    ),
    "a ratio upside down": mutant(
        replay,
        "batch.blocks.target_tokens * self.replay_ratio",
        "batch.blocks.target_tokens / self.replay_ratio",
        _TERM,
    ),
    "the same replayed documents at every step": mutant(
        replay, '"memory draw", batch.stage, batch.step', '"memory draw", batch.stage', _TERM
    ),
}

MUTANTS: dict[str, Mutant] = FISHER | REMEMBERED | STEPS | ADAPTERS
