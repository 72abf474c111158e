"""Mistakes between a document's text and the rows that a step trains on, each with the test that must catch it."""

from engine.common import random_streams
from engine.models import likelihood
from engine.tokens import blocks, document_encoding, encoded_documents, packing, tokenisation
from tests.common import test_random_streams
from tests.mutation import Mutant, mutant
from tests.tokens import test_blocks, test_packing, test_rows_by_hand, test_tokenisation
from tests.training import test_runs_by_hand as training_by_hand
from tests.training import test_scoring

_STAGE = test_packing.test_a_stage_over_several_tasks_takes_the_rows_that_concatenated_blocks_would_give
_LOOP = test_scoring.test_scores_equal_a_loop_over_documents
_POSITIONS = test_blocks.test_positions_restart_with_each_document
_FILLED = test_blocks.test_packing_fills_rows
_BY_HAND = test_rows_by_hand.test_rows_by_hand_hold_inputs_targets_and_positions_of_every_kind_of_document
_BEST_FIT = test_rows_by_hand.test_best_fit_decreasing_of_a_hand_made_list
_PAIR = test_rows_by_hand.test_a_pair_is_bos_prompt_separator_text_eos_and_counts_the_bytes_of_its_text
_LONG = test_rows_by_hand.test_a_pair_too_long_by_hand_keeps_the_end_of_its_prompt
_STREAM = test_random_streams.test_a_stream_is_found_again_and_no_other_is_like_it
_SPECIAL = test_rows_by_hand.test_tokens_of_odd_texts_are_the_tokenizers_own

ROWS: dict[str, Mutant] = {
    "labels that are not shifted": mutant(blocks, "targets = ids[1:].clone()", "targets = ids[:-1].clone()", _LOOP),
    "prompts that are scored": mutant(
        blocks,
        "targets[: document.first_target - 1] = IGNORED",
        "pass",
        test_scoring.test_prompts_are_read_but_not_scored,
    ),
    "questions between answers that are scored": mutant(
        blocks,
        "targets[~document.learnt[1:]] = IGNORED",
        "pass",
        test_scoring.test_questions_between_answers_are_read_but_not_scored,
    ),
    "pieces that leave a target out": mutant(
        blocks, "range(0, len(targets), block_size)", "range(0, len(targets), block_size + 1)", _BY_HAND
    ),
    "positions that run on over documents": mutant(
        blocks,
        "found[2, places] = ranges(np.zeros(len(lengths), np.int64), lengths)",
        "found[2, places] = places % width",
        _POSITIONS,
    ),
    "rows that are cut a token short": mutant(
        blocks,
        "int(used[-1]) + 1 if",
        "int(used[-1]) if",
        test_blocks.test_splitting_and_selecting_cut_rows_to_their_longest,
    ),
    "joined rows whose filling is a target": mutant(
        blocks,
        "rows([part.targets for part in parts], IGNORED)",
        "rows([part.targets for part in parts], 0)",
        training_by_hand.test_the_reported_means_are_each_over_their_own_tokens,
    ),
    "the emptiest row for the fullest": mutant(
        blocks,
        "at = bisect_left(spaces, length)",
        "at = len(spaces) - (bisect_left(spaces, length) < len(spaces))",
        _BEST_FIT,
    ),
    "the shortest document first": mutant(blocks, "np.argsort(-lengths", "np.argsort(lengths", _BEST_FIT),
    "documents packed in the order in which they come": mutant(
        blocks,
        'np.argsort(-lengths, kind="stable")',
        'np.argsort(-(lengths == capacity).astype(int), kind="stable")',
        _BEST_FIT,
    ),
    "one document a row": mutant(blocks, "if at == len(spaces):", "if True:", _FILLED),
    "a row that overflows": mutant(blocks, "bisect_left(spaces, length)", "bisect_left(spaces, length - 1)", _BEST_FIT),
    "rows put together with positions over all of a row": mutant(
        blocks,
        "found[2, places] = ranges(np.zeros(len(lengths), np.int64), lengths)",
        "found[2, places] = places % width",
        _STAGE,
        stage_tokens=None,
    ),
    "rows put together with inputs as targets": mutant(
        packing,
        "np.where(ignored, IGNORED, self.tokens[sources + 1])",
        "np.where(ignored, IGNORED, self.tokens[sources])",
        _BY_HAND,
    ),
    "rows put together whose prompts are scored": mutant(
        packing, "positions < np.repeat(self.unscored[pieces], lengths)", "positions < 0", _BY_HAND
    ),
    "rows put together that score a prompt's last token": mutant(
        packing,
        "np.repeat(documents.first_targets - 1, pieces_of)",
        "np.repeat(documents.first_targets - 2, pieces_of)",
        _BY_HAND,
    ),
    "rows put together that miss an answer's first token": mutant(
        packing,
        "np.repeat(documents.first_targets - 1, pieces_of)",
        "np.repeat(documents.first_targets, pieces_of)",
        _BY_HAND,
    ),
    "marks that stand one token early": mutant(packing, "~self.learnt[sources + 1]", "~self.learnt[sources]", _BY_HAND),
    "targets counted from the marks of inputs": mutant(
        packing, "ranges(starts[part] + 1, counts)", "ranges(starts[part], counts)", _BY_HAND
    ),
    "targets that count the prompt": mutant(
        encoded_documents, "return self.lengths - self.first_targets", "return self.lengths - 1", _BY_HAND
    ),
    "documents that see those before them in the row": mutant(
        likelihood, "if packed else {}\n    states =", "if not packed else {}\n    states =", _LOOP
    ),
    "one random stream for all purposes": mutant(
        random_streams, "str(self.seed), purpose,", "str(self.seed),", _STREAM
    ),
    "one random stream for all seeds": mutant(random_streams, "[str(self.seed), purpose,", "[purpose,", _STREAM),
    "one random stream for all steps": mutant(random_streams, "*map(str, counters)])", "])", _STREAM),
    "counters that run together": mutant(random_streams, '":".join(', '"".join(', _STREAM),
}

TEXTS: dict[str, Mutant] = {
    "begin and end exchanged": mutant(document_encoding, "= self._bos, self._eos", "= self._eos, self._bos", _PAIR),
    "a first target that is the prompt's last token": mutant(
        document_encoding,
        "Encoded(tokens, lengths, in_prompt + 1, text_bytes)",
        "Encoded(tokens, lengths, np.maximum(in_prompt, 1), text_bytes)",
        _PAIR,
    ),
    "bytes that are characters": mutant(document_encoding, "_utf8(d.text) for d", "len(d.text) for d", _PAIR),
    "bytes that count the prompt": mutant(
        document_encoding, "_utf8(d.text) for d", "_utf8(d.prompt + d.text) for d", _PAIR
    ),
    "a separator that is left out": mutant(document_encoding, "d.prompt + self._separator if", "d.prompt if", _PAIR),
    "a separator before texts that have no prompt": mutant(
        document_encoding, 'self._separator if d.prompt else ""', "self._separator", _PAIR
    ),
    "a prompt that loses its end": mutant(document_encoding, "before + 1 + prompt - kept_prompt", "before + 1", _LONG),
    "bytes of what was cut off": mutant(
        document_encoding, "int(text_bytes[i]) - self._bytes_of(lost)", "int(text_bytes[i])", _LONG
    ),
    "special tokens spelled out in a text": mutant(
        tokenisation, "own.encode_special_tokens = True", "own.encode_special_tokens = False", _SPECIAL
    ),
    "a piece that ends before its space": mutant(
        tokenisation, 'f"[{_SPACE}]*[^{_SPACE}]+|[{_SPACE}]+"', 'f"[^{_SPACE}]+|[{_SPACE}]+"', _SPECIAL
    ),
    "separators of files that are taken for spaces": mutant(
        tokenisation,
        '_PIECE = re.compile(f"[{_SPACE}]*[^{_SPACE}]+',
        '_PIECE = re.compile(f"[{_SPACE}\\x1c-\\x1f]*[^{_SPACE}\\x1c-\\x1f]+',
        test_tokenisation.test_every_character_is_space_here_where_it_is_in_the_tokenizer,
    ),
}

MUTANTS: dict[str, Mutant] = ROWS | TEXTS
