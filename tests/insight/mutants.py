"""Mistakes in what is said of answers, passages and guards, each with the test that must catch it."""

from engine.guards import guard as guards
from engine.insight import abilities
from engine.insight.measures import (
    excerpts,
    generation,
    guard_checks,
    passages,
    probe_items,
    probe_scores,
    reported,
    token_scores,
)
from engine.insight.measures.probes import ARITHMETIC, LOOK_UP, SORTING
from engine.models import likelihood
from tests.builders import tiny_gpt2
from tests.guards import test_guard
from tests.insight import test_abilities, test_guards, test_passages
from tests.insight.measures import test_excerpts, test_generation, test_probe_items, test_probe_scores, test_reported
from tests.mutation import Mutant, mutant

_LOOP = test_passages.test_every_token_is_scored_as_a_loop_over_its_contexts_scores_it
_RANK = test_passages.test_documents_are_ranked_by_the_bits_per_byte_that_they_lost
_OPENED = test_passages.test_an_opened_document_shows_the_change_of_each_piece_and_what_stands_there_instead
_WHOLE = test_passages.test_pieces_hold_whole_characters_and_joined_are_the_text
_GREEDY = test_generation.test_greedy_texts_are_those_of_a_loop_over_single_prompts
_LIKELY = test_guards.test_likelihoods_and_losses_are_those_of_a_loop_over_tokens
_FORM = test_guard.test_answers_are_compared_in_one_stated_form
_STRETCH = test_excerpts.test_the_stretch_that_lost_most_by_hand
_WORST = test_reported.test_the_first_span_chooses_the_passages_and_the_other_is_shown_on_them
_WORSE = test_reported.test_right_answers_that_turned_wrong_come_before_those_that_lost_words
_CHOICES = test_probe_scores.test_likelihoods_are_those_of_a_loop_over_single_texts
_PLACES = test_probe_items.test_the_right_choice_stands_in_every_place_equally_often
_BLIND = test_probe_items.test_no_rule_that_looks_at_the_choices_alone_does_better_than_chance
_DROPS = test_abilities.test_a_drop_is_established_by_mcnemars_p_times_the_number_of_comparisons
_WILSON = test_abilities.test_intervals_are_wilsons

MUTANTS: dict[str, Mutant] = {
    "scores of rows in another order than the rows": mutant(
        token_scores, "for row in chosen]", "for row in order[start : start + at_once]]", _LOOP, packed=True
    ),
    "scores one place too late": mutant(
        token_scores, "ends[row] - targets[row], ends[row])", "ends[row] - targets[row] - 1, ends[row] - 1)", _LOOP,
        packed=True,
    ),
    "documents by what they gained": mutant(passages, "ascending=[False, True]", "ascending=[True, True]", _RANK),
    "documents by all that they lost": mutant(passages, '["lost", "document"]', '["lost_nats", "document"]', _RANK),
    "nats for bits in passages": mutant(passages, "clip(1) * math.log(2)", "clip(1) * 1.0", _RANK),
    "a change with the other sign": mutant(passages, "first - second, math.exp", "second - first, math.exp", _OPENED),
    "instead of the last token of a stretch": mutant(
        passages, "next(i for i in range(start, end) if likeliest[i] != ids[i])", "start + 1", _OPENED
    ),
    "parts of characters shown": mutant(passages, "if not text.endswith(_UNFINISHED):", "if True:", _WHOLE),
    "prompts filled up on the right": mutant(
        generation, "read[row, longest - len(prompt) :]", "read[row, : len(prompt)]", _GREEDY, build=tiny_gpt2
    ),
    "what fills up is looked at": mutant(
        generation, "looked_at = torch.zeros_like(read)", "looked_at = torch.ones_like(read)", _GREEDY, build=tiny_gpt2
    ),
    "a loss that is a sum": mutant(guard_checks, "found[0].nats / found[0].tokens", "found[0].nats", _LIKELY),
    "likelier than one of them": mutant(guard_checks, "nearest = min(", "nearest = max(", _LIKELY),
    "a prompt that counts": mutant(
        guard_checks, "dtype=torch.int32), len(before), len(", "dtype=torch.int32), 1, len(", _LIKELY
    ),
    "upper and lower case told apart": mutant(guards, ".casefold()", "", _FORM),
    "forms of characters told apart": mutant(guards, '"NFKC"', '"NFC"', _FORM),
    "a choice by its last token": mutant(probe_scores, "[choice] += value", "[choice] = value", _CHOICES),
    "choices one place too early": mutant(probe_scores, "at = len(before) - 1 +", "at = len(before) - 2 +", _CHOICES),
    "choices from the first row alone": mutant(probe_scores, "row * blocks.width + ", "", _CHOICES),
    "a token for another place": mutant(
        likelihood, "states.index_select(0, places)", "states[: len(places)]", _CHOICES
    ),
    "the right choice first": mutant(
        probe_items, "choices.insert(place, right)", "choices.insert(place := 0, right)", _PLACES, probe=LOOK_UP
    ),
    "the right number the smallest": mutant(
        probe_items, "sorted(draws.some(range(low, low + _WINDOW), 4)), number % 4)",
        "sorted(draws.some(range(low, low + _WINDOW), 4)), 0)", _BLIND, probe=ARITHMETIC, rule="the first in order",
    ),
    "every letter forwards": mutant(
        probe_items, "number % 4 >= 2, number", "False, number", _BLIND, probe=SORTING, rule="words in their order"
    ),
    "lost and gained exchanged": mutant(
        abilities, "((True, False), (False, True))", "((False, True), (True, False))", _DROPS
    ),
    "drops without Holm's correction": mutant(
        abilities, "holm([rows[place].p for place in tested])", "[rows[place].p for place in tested]", _DROPS
    ),
    "an interval by the normal law": mutant(abilities, '"wilson"', '"exact"', _WILSON, right=50, items=200),
    "a pattern that must be all of the answer": mutant(guards, ".search(answer)", ".fullmatch(answer)", _FORM),
    "the stretch that gained most": mutant(excerpts, "return -piece.change", "return piece.change", _STRETCH),
    "what is only read counts as lost": mutant(excerpts, " if piece.is_target else 0.0", "", _STRETCH),
    "a stretch that is longer than it may be": mutant(
        excerpts, "length + len(pieces[end].text) <= characters", "length <= characters", _STRETCH
    ),
    "a run's losses on the passages of another": mutant(
        reported, "tables[0][tables[0][\"lost\"] > 0]", "tables[-1][tables[-1][\"lost\"] > 0]", _WORST
    ),
    "right answers before wrong ones": mutant(reported, "key=_fall, reverse=True", "key=_fall", _WORSE),
}  # fmt: skip
