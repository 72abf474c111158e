"""Mistakes in the strategies that change what a step does or which weights it moves, each with the test that must
catch it."""

from engine.strategies import agem, combined, ewc, freeze, mask
from engine.strategies.tools import all_tasks
from tests.mutation import Mutant, mutant
from tests.strategies import test_agem, test_cumulative, test_ewc, test_freeze, test_mask

_EQUATION_11 = test_agem.test_the_projection_is_that_of_equation_11
_DISAGREE = {"own": (-4.0, -3.0, 1.0), "reference": (1.0, 1.0, 1.0), "wanted": (-2.0, -1.0, 3.0)}
_AGREE = {"own": (1.0, 2.0, 3.0), "reference": (3.0, 0.0, 1.0), "wanted": (1.0, 2.0, 3.0)}
_COPIES = test_agem.test_the_declared_copies_are_the_tensors_that_a_projecting_step_holds
_NOTHING = {"own": (1.0, 2.0, 3.0), "reference": (0.0, 0.0, 0.0), "wanted": (1.0, 2.0, 3.0)}
_LARGEST = test_mask.test_the_mask_holds_the_largest_magnitudes
_SORT = test_mask.test_the_mask_is_that_of_a_stable_sort_whatever_the_ties_and_the_shape
_LOWEST = test_freeze.test_the_lowest_layers_and_the_embeddings_are_frozen
_DRAWN = test_freeze.test_a_share_of_the_matrices_is_drawn_anew_for_each_stage_and_seed
_CHANGING = test_ewc.test_sums_over_sets_of_weights_that_change_are_those_of_each_weights_own_tasks

STEPS: dict[str, Mutant] = {
    "a projection of gradients that agree": mutant(
        agem, "torch.where(agreement < 0, agreement / length, 0.0)", "agreement / length", _EQUATION_11, **_AGREE
    ),
    "a projection that divides by nothing": mutant(
        agem, "torch.where(agreement < 0,", "torch.where(agreement <= 0,", _EQUATION_11, **_NOTHING
    ),
    "a projection by the gradient's own length": mutant(
        agem, "_product(reference, reference)", "_product(gradient, gradient)", _EQUATION_11, **_DISAGREE
    ),
    "a projection by the length and not its square": mutant(
        agem, "agreement / length,", "agreement / length.sqrt(),", _EQUATION_11, **_DISAGREE
    ),
    "a projection the wrong way": mutant(agem, "value=-1)", "value=1)", _EQUATION_11, **_DISAGREE),
    "a projection of each weight alone": mutant(
        agem,
        "    for name, other in reference.items():\n",
        "    for name, other in reference.items():\n"
        "        agreement = (gradient[name] * other).sum()\n"
        "        excess = torch.where(agreement < 0, agreement / other.square().sum(), 0.0)\n",
        _EQUATION_11,
        **_DISAGREE,
    ),
    "a projection that leaves out weights of the memory alone": mutant(
        agem,
        "own = gradient[name] if name in gradient else torch.zeros_like(other)",
        "own = gradient.get(name, excess * other)",
        test_agem.test_weights_that_only_one_of_the_gradients_reaches_take_part,
    ),
    "a projection of the new task's gradient alone": mutant(
        agem,
        "for name, gradient in gradients.items() if name != self.name",
        'for name, gradient in gradients.items() if name == "new"',
        test_agem.test_the_gradients_of_all_that_is_minimised_are_projected_as_one,
    ),
    "a guard that is learnt": mutant(
        agem,
        "if name != self.name]",
        "]",
        test_agem.test_the_memory_guards_and_is_not_minimised,
    ),
    "a memory that is minimised beside the new text": mutant(
        agem,
        "drawn, minimised=False)",
        "drawn)",
        test_agem.test_a_run_projects_and_reports_the_memorys_loss_without_counting_it,
    ),
    "the same reference texts at every step": mutant(
        agem,
        '"agem draw", batch.stage, batch.step',
        '"agem draw", batch.stage',
        test_agem.test_each_step_draws_its_share_of_memory_tokens_anew,
    ),
    "the smallest momentum for the largest": mutant(mask, "size.numel() - wanted + 1", "wanted", _SORT, fraction=0.15),
    "momentum with its sign": mutant(mask, "values.abs().flatten()", "values.flatten()", _SORT, fraction=0.15),
    "a mask with all that ties": mutant(mask, "above | (at_border & (", "above | (at_border | (", _SORT, fraction=0.15),
    "a mask that takes the last of equal ones": mutant(
        mask,
        "at_border.cumsum(0, dtype=torch.int32)",
        "at_border.flip(0).cumsum(0, dtype=torch.int32).flip(0)",
        _SORT,
        fraction=0.15,
    ),
    "a mask of no entry in a tiny tensor": mutant(
        mask,
        "max(1, round(fraction * size.numel()))",
        "round(fraction * size.numel()) or size.numel()",
        _LARGEST,
        values=(0.2, -0.7),
        fraction=0.01,
        wanted=(False, True),
    ),
    "a mask of the fraction that stays": mutant(
        mask,
        "step.momentum(weight), self.fraction)",
        "step.momentum(weight), 1 - self.fraction)",
        test_mask.test_what_the_mask_names_takes_adamws_step_and_all_else_stays_bit_for_bit,
    ),
    "cumulative training without the newest task": mutant(
        all_tasks,
        "range(1, stage + 1)",
        "range(1, max(2, stage))",
        test_cumulative.test_rows_and_budget_of_every_stage_are_those_of_joint_training,
        stage_tokens=None,
    ),
    "cumulative training from the base model": mutant(
        all_tasks,
        "Plan(tuple(range(1, stage + 1)))",
        'Plan(tuple(range(1, stage + 1)), start="base")',
        test_cumulative.test_a_stage_starts_from_the_weights_of_the_stage_before,
    ),
    "a projecting step without the gradients of joined strategies": mutant(
        combined, "Cost(copies=terms + 1)", "Cost()", _COPIES, others=("replay",)
    ),
    "a projecting step without the sum of what it projects": mutant(
        combined, "Cost(copies=terms + 1)", "Cost(copies=terms)", _COPIES, others=("replay", "kl")
    ),
    "the highest layers frozen for the lowest": mutant(
        freeze, "blocks[: self.frozen_layers]", "blocks[len(blocks) - self.frozen_layers :]", _LOWEST
    ),
    "embeddings that train with their layers frozen": mutant(
        freeze, "embeddings(model) if self.frozen_embeddings", "() if self.frozen_embeddings", _LOWEST
    ),
    "the same matrices frozen at every stage": mutant(freeze, '"frozen matrices", stage', '"frozen matrices"', _DRAWN),
    "biases and norms drawn among the matrices": mutant(freeze, "if weight.dim() > 1]", "if weight.dim() > 0]", _DRAWN),
    "matrices of frozen layers drawn once more": mutant(
        freeze, "blocks[self.frozen_layers :] for", "blocks for", _DRAWN
    ),
    "a frozen share for the share that trains": mutant(
        freeze,
        "round(self.frozen_share * len(others))",
        "round((1 - self.frozen_share) * len(others)) + 1",
        _DRAWN,
    ),
    "weights that stay frozen in all later stages": mutant(
        freeze,
        "model.requires_grad_(True)",
        "pass",
        test_freeze.test_what_an_earlier_stage_has_frozen_trains_again,
    ),
    "a layer too many that is let through": mutant(
        freeze,
        "self.frozen_layers > len(blocks)",
        "self.frozen_layers > len(blocks) + 1",
        test_freeze.test_a_number_of_layers_that_the_model_does_not_have_is_refused,
        build=test_freeze.on_meta,
    ),
    "an importance that is lost while its weight is frozen": mutant(
        ewc,
        "importance, anchor, between = dict(past.importance), dict(past.anchor), []",
        "importance, anchor, between = {}, {}, []",
        _CHANGING,
    ),
    "an online importance that is lost while its weight is frozen": mutant(
        ewc, "    importance = dict(past.importance)\n    for", "    importance = {}\n    for", _CHANGING
    ),
    "an online anchor that is lost while its weight is frozen": mutant(
        ewc, "past.anchor | _copies(weights)", "_copies(weights)", _CHANGING
    ),
}
