"""Mistakes in what is said of answers, passages and guards, each with the test that must catch it."""

from engine.guards import guard as guards
from engine.insight.measures import generation, guard_checks, passages, token_scores
from tests.builders import tiny_gpt2
from tests.guards import test_guard
from tests.insight import test_guards, test_passages
from tests.insight.measures import test_generation
from tests.mutation import Mutant, mutant

_LOOP = test_passages.test_every_token_is_scored_as_a_loop_over_its_contexts_scores_it
_RANK = test_passages.test_documents_are_ranked_by_the_bits_per_byte_that_they_lost
_OPENED = test_passages.test_an_opened_document_shows_the_change_of_each_piece_and_what_stands_there_instead
_WHOLE = test_passages.test_pieces_hold_whole_characters_and_joined_are_the_text
_GREEDY = test_generation.test_greedy_texts_are_those_of_a_loop_over_single_prompts
_LIKELY = test_guards.test_likelihoods_and_losses_are_those_of_a_loop_over_tokens
_FORM = test_guard.test_answers_are_compared_in_one_stated_form

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
    "a pattern that must be all of the answer": mutant(guards, ".search(answer)", ".fullmatch(answer)", _FORM),
}  # fmt: skip
