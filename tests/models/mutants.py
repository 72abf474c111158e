"""Mistakes in the losses against distributions and in what a token costs, each with the test that must catch it."""

from engine.models import distributions, likelihood, parts
from engine.training import gradients
from tests.models import test_distributions, test_parts
from tests.mutation import Mutant, mutant
from tests.strategies import test_kl

_TEACHER = test_distributions.test_the_divergence_from_a_teacher_and_its_gradient_are_those_of_a_loop_over_two_models
_BUCKET = test_distributions.test_the_tokens_that_are_not_stored_are_one_outcome
_LOOKS = test_distributions.test_a_teacher_looks_without_dropout_and_leaves_the_model_as_it_was
_SOME = test_distributions.test_a_divergence_of_some_rows_and_the_loss_of_others_share_a_pass
_STEP = test_kl.test_a_step_minimises_new_plus_beta_times_the_mean_divergence
_AT_ONCE = {"plain_head": True, "at_once": 90}

DISTRIBUTIONS: dict[str, Mutant] = {
    "the reverse divergence": mutant(
        distributions, "(pi * log_pi.sub_(log_p)).sum(1)", "(log_p.exp() * (log_p - log_pi)).sum(1)", _TEACHER,
        **_AT_ONCE,
    ),
    "the entropy left out of the divergence": mutant(
        distributions, "(pi * log_pi.sub_(log_p)).sum(1)", "-(pi * log_p).sum(1)", _TEACHER, **_AT_ONCE
    ),
    "a divergence whose gradient has no weights": mutant(
        distributions, "log_p.exp_().sub_(pi).mul_(by)", "log_p.exp_().sub_(pi)", _TEACHER, **_AT_ONCE
    ),
    "a teacher's weights in bfloat16 that the model then reads": mutant(
        distributions,
        "cache_enabled=False",
        "cache_enabled=True",
        test_distributions.test_in_bfloat16_the_model_reads_its_own_weights_after_the_teacher_has_looked,
    ),
    "a teacher that looks under dropout": mutant(
        distributions, "with without_dropout(model), exchanged", "with exchanged", _LOOKS
    ),
    "weights that are not given back": mutant(
        distributions, "weight.data = before[name]", "pass", _LOOKS
    ),
    "a teacher that is the student": mutant(
        distributions, "weight.data = weights[name]", "pass", _TEACHER, **_AT_ONCE
    ),
    "a bucket that pulls like its tokens": mutant(
        distributions, "others.mul_(1 - share)", "others", _BUCKET, at_once=2**20
    ),
    "a divergence without its bucket": mutant(
        distributions, "torch.where(probabilities > 0, probabilities * (wanted - log_q), 0.0).sum(1)",
        "(probabilities * (wanted - log_q))[:, :-1].sum(1)", _BUCKET, at_once=1,
    ),
    "a teacher that looks at other rows": mutant(
        likelihood, "wanted = wanted[loss.tokens]", "wanted = wanted[: len(loss.tokens)]", _SOME
    ),
    "stored distributions that begin anew in every pass": mutant(
        gradients, "start = seen[places[numbers[0]]]", "start = 0",
        test_kl.test_with_the_whole_vocabulary_stored_der_is_kl_to_the_model_after_the_stage,
    ),
    "a mean per pass for a mean per token": mutant(
        gradients, "for term in terms], dtype=torch.float64) / tokens\n        against",
        "for term in terms], dtype=torch.float64) / len(of_loss)\n        against", _STEP, most_rows=1,
    ),
}  # fmt: skip

_COST = test_parts.test_a_token_costs_its_forward_pass_its_weights_gradients_and_the_way_back_to_the_lowest
_UPPER = {
    "parts": (".h.1.", "ln_f"),
    "trained": test_parts.BLOCK + test_parts.NORM,
    "through": test_parts.BLOCK + test_parts.NORM + test_parts.HEAD,
}

COSTS: dict[str, Mutant] = {
    "a way back through frozen layers": mutant(parts, "weights[first:]", "weights[:]", _COST, **_UPPER),
    "a way back that leaves out a tied head": mutant(
        parts, "        above.append(head.weight)", "        pass", _COST, **_UPPER
    ),
    "gradients of frozen weights": mutant(
        parts, "for weight in weights if weight.requires_grad)\n", "for weight in weights)\n", _COST, **_UPPER
    ),
}

MUTANTS: dict[str, Mutant] = DISTRIBUTIONS | COSTS
