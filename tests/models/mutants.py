"""Mistakes in the parts of a model and in what a token costs, each with the test that must catch it."""

from engine.models import parts
from tests.models import test_parts
from tests.mutation import Mutant, mutant

_COST = test_parts.test_a_token_costs_its_forward_pass_its_weights_gradients_and_the_way_back_to_the_lowest
_UPPER = {
    "parts": (".h.1.", "ln_f"),
    "trained": test_parts.BLOCK + test_parts.NORM,
    "through": test_parts.BLOCK + test_parts.NORM + test_parts.HEAD,
}

MUTANTS: dict[str, Mutant] = {
    "a way back through frozen layers": mutant(parts, "weights[first:]", "weights[:]", _COST, **_UPPER),
    "a way back that leaves out a tied head": mutant(
        parts, "        above.append(head.weight)", "        pass", _COST, **_UPPER
    ),
    "gradients of frozen weights": mutant(
        parts, "for weight in weights if weight.requires_grad)\n", "for weight in weights)\n", _COST, **_UPPER
    ),
}
