"""Mistakes in low-rank adapters and their merging, each with the test that must catch it."""

from engine.experiments import settings_of_stage
from engine.models import adapter_folders, adapters
from engine.strategies import combined, lora
from engine.training import loop
from tests.experiments.test_settings_of_stage import (
    test_a_strategy_with_a_rate_of_its_own_takes_the_experiments_ten_times_unless_one_is_set as _rate,
)
from tests.models import test_adapter_folders
from tests.mutation import Mutant, mutant
from tests.strategies import test_lora
from tests.strategies.test_lora import tiny_gpt2, tiny_llama

_BEGINS = test_lora.test_a_begins_within_one_over_the_root_of_its_inputs_from_a_stream_of_its_own
_FRESH = test_lora.test_a_fresh_adapter_of_each_stage_is_another_and_one_that_has_moved_stays
_ALONE = test_lora.test_the_factors_alone_train_and_preparing_again_changes_nothing
_MERGES = test_lora.test_merging_adds_the_scaled_product_to_the_weights_and_leaves_the_function
_SAVED = test_lora.test_a_merged_checkpoint_is_a_plain_model_and_a_point_inside_a_stage_holds_both
_HEAD = test_lora.test_the_projection_to_the_vocabulary_is_no_layer_for_an_adapter
_RANK = test_lora.test_a_rank_up_to_the_smaller_side_of_every_layer_is_taken_and_no_larger_one
_SCORED = test_lora.test_the_scored_weights_of_a_merged_stage_are_the_saved_ones
_COUNTED = test_lora.test_an_adapter_is_counted_as_what_trains_and_a_continued_one_as_what_is_saved
_CLASHES = test_lora.test_an_adapter_that_is_merged_is_joined_to_no_pull
_BASE = test_adapter_folders.test_merged_weights_are_the_bases_plus_the_scaled_product
_FITS = test_adapter_folders.test_a_factor_that_is_missing_or_of_another_rank_is_refused

ADAPTERS: dict[str, Mutant] = {
    "an A that is the same in every layer": mutant(lora, 'f"lora {name}"', '"lora"', _BEGINS),
    "an A from a law of another width": mutant(adapters, "** -0.5", "** -0.4", _BEGINS),
    "an A that is never negative": mutant(adapters, ".mul_(2).sub_(1)", "", _BEGINS),
    "a fresh adapter that is the same in every stage": mutant(
        lora, 'stage if self.between_stages == "merged" else 1', "1", _FRESH
    ),
    "an adapter that is drawn anew after it has moved": mutant(
        lora, 'self.between_stages == "merged" and adapters.adds_nothing(model)', "True", _FRESH
    ),
    "a base that trains beside its adapter": mutant(lora, "model.requires_grad_(False)", "pass", _ALONE),
    "a merge that adds nothing": mutant(
        adapters,
        "layer.get_base_layer().weight += layer.get_delta_weight(_NAME)",
        "pass",
        _MERGES,
        build=tiny_gpt2,
    ),
    "a merge whose adapter stays": mutant(adapters, "up.zero_()", "pass", _MERGES, build=tiny_llama),
    "a stage that is scored and saved before it is merged": mutant(
        loop, "setup.strategy.settle(progress.base.model, at.stage, Streams(setup.seed))", "pass", _SCORED
    ),
    "a merged model that is saved with its adapter's tensors": mutant(
        adapters,
        'for name, each in found.items() if ".lora_" not in name',
        "for name, each in found.items()",
        _SAVED,
        build=tiny_gpt2,
    ),
    "a point without the adapter that has moved": mutant(
        adapters, "        if adds_nothing(model):\n            return", "        return", _SAVED, build=tiny_gpt2
    ),
    "an adapter on the projection to the vocabulary": mutant(adapters, " and module is not head", "", _HEAD),
    "the ranks up to the larger side": mutant(
        lora, "(min(layer.weight.shape), name)", "(max(layer.weight.shape), name)", _RANK
    ),
    "a rank of the smaller side refused": mutant(lora, "self.rank > least", "self.rank >= least", _RANK),
    "an adapter that is merged under a pull": mutant(lora, 'other.redefines("pulls")', "False", _CLASHES),
    "a checkpoint of an adapter that is counted with its base": mutant(
        adapters, "model.num_parameters() - own if is_alone else own", "0", _COUNTED
    ),
    "a base merged without the scale": mutant(
        adapter_folders, " else len(down))", " else 1)", _BASE, build=test_adapter_folders.gpt2, use_rslora=False
    ),
    "a base merged by the rank where its root is meant": mutant(
        adapter_folders, "math.sqrt(len(down))", "len(down)", _BASE, build=test_adapter_folders.gpt2, use_rslora=True
    ),
    "a base merged without transposing": mutant(
        adapter_folders,
        "product.T if isinstance(module, Conv1D) else product",
        "product.view(weight.shape)",
        _BASE,
        build=test_adapter_folders.gpt2,
        use_rslora=False,
    ),
    "a base merged transposed": mutant(
        adapter_folders,
        "product.T if isinstance(module, Conv1D) else product",
        "product.T.reshape(weight.shape)",
        _BASE,
        build=test_adapter_folders.llama,
        use_rslora=False,
    ),
    "factors of different ranks": mutant(adapter_folders, '"B": (out, rank)}', '"B": own.get("B")}', _FITS),
    "a rate of its own that is the experiment's": mutant(
        settings_of_stage, "training.learning_rate * rate_factor", "training.learning_rate", _rate, name="lora"
    ),
    "a joined strategy without the rate of its part": mutant(
        combined, "math.prod(part.rate_factor for part in self.parts)", "1.0", _rate, name="replay+lora"
    ),
}
