"""Mistakes in strategies that hold a model to what it was, each with the test that must catch it."""

from engine.strategies import der, kl, self_replay
from engine.strategies.tools import samples, stored
from engine.training import reference
from tests.mutation import Mutant, mutant
from tests.strategies import test_kl, test_kl_on_a_file, test_self_replay
from tests.training import test_loop, test_reference

_PASS = test_kl.test_a_step_minimises_new_plus_beta_times_the_mean_divergence
_SHARED_PASS = test_kl.test_the_new_text_as_reference_shares_one_pass_with_its_loss
_TEACHER = test_kl.test_the_teacher_is_the_model_of_the_stage_before_or_the_base_model
_WHOLE = test_kl.test_with_the_whole_vocabulary_stored_der_is_kl_to_the_model_after_the_stage
_IN_PIECES = test_kl.test_stored_distributions_are_the_models_own_in_pieces_as_long_as_a_block
_ROOM = test_kl.test_what_is_stored_follows_the_memory_when_it_makes_room
_LAW = test_self_replay.test_the_law_of_all_short_texts_their_ends_included_is_the_models
_OWN = test_self_replay.test_a_step_replays_the_written_texts_with_their_weight_and_loss
_ON_A_FILE = test_kl_on_a_file.test_a_file_of_the_memorys_documents_gives_the_loss_and_gradient_of_the_memory
_PARTS = test_reference.test_each_stage_has_its_own_part_of_a_large_text_and_finds_it_again
_LONG = test_reference.test_of_long_documents_as_many_are_taken_as_the_tokens_allow_and_one_at_least

TAUGHT: dict[str, Mutant] = {
    "the base model for a teacher": mutant(kl, 'begin.starts_from if self.teacher == "previous" else 0', "0", _TEACHER),
    "the stage before for the base model": mutant(
        kl, 'begin.starts_from if self.teacher == "previous" else 0', "begin.starts_from", _TEACHER
    ),
    "a KL term without its weight": mutant(
        kl, "Term(self.name, batch.blocks, self.kl_weight, against=teacher)",
        "Term(self.name, batch.blocks, against=teacher)", _SHARED_PASS, most_rows=None,
    ),
    "cross-entropy for the divergence on the new text": mutant(
        kl, "Term(self.name, batch.blocks, self.kl_weight, against=teacher)",
        "Term(self.name, batch.blocks, self.kl_weight)", _SHARED_PASS, most_rows=None,
    ),
    "a KL term on drawn texts without its weight": mutant(
        kl, "Term(self.name, drawn, self.kl_weight, against=teacher)", "Term(self.name, drawn, against=teacher)",
        _ON_A_FILE,
    ),
    "cross-entropy for the divergence on drawn texts": mutant(
        kl, "Term(self.name, drawn, self.kl_weight, against=teacher)", "Term(self.name, drawn, self.kl_weight)",
        _ON_A_FILE,
    ),
    "the same rows of a reference text in every step": mutant(
        kl, '"kl draw", batch.stage, batch.step', '"kl draw", batch.stage',
        test_kl_on_a_file.test_every_document_of_the_text_is_drawn_and_a_step_draws_what_the_ratio_says,
    ),
    "a reference text that is read in no first stage": mutant(
        kl, 'self.reference_text != "memory" else 2', 'self.reference_text == "new" else 2',
        test_kl_on_a_file.test_in_the_first_stage_it_holds_to_the_base_model_and_else_it_is_naive_there,
    ),
    "the same part of a large reference text in every stage": mutant(
        reference, 'random.generator("reference choice", stage)', 'random.generator("reference choice")', _PARTS
    ),
    "the beginning of a large reference text": mutant(
        reference, "torch.randperm(len(documents), generator=random.generator(\"reference choice\", stage)).numpy()",
        "torch.arange(len(documents)).numpy()", _PARTS,
    ),
    "a part of a reference text whatever its size": mutant(
        reference, "if len(documents) <= MOST_DOCUMENTS and", "if False and",
        test_reference.test_all_documents_of_a_text_are_there_in_their_order_and_are_packed_once,
    ),
    "a part by documents alone": mutant(
        reference, "order[: max(1, fitting)]", "order", _LONG
    ),
    "no document of a text of long ones": mutant(reference, "max(1, fitting)", "fitting", _LONG),
    "stored distributions of the document before": mutant(
        stored, "part = slice(start, start + own.targets[piece])", "part = slice(0, own.targets[piece])", _WHOLE
    ),
    "stored distributions of the base model's memory order": mutant(
        der, "own[: len(task)] for own", "own[-len(task) :] for own", _ROOM
    ),
    "a rest that is not normalised": mutant(
        stored, "log_p.scatter(1, likeliest.indices, -torch.inf)", "log_p", _IN_PIECES
    ),
    "distributions stored under dropout": mutant(
        stored, "with without_dropout(view.model), interruptible", "with interruptible", _IN_PIECES
    ),
    "cross-entropy for the distributions of a dark memory": mutant(
        der, "Term(self.name, blocks, self.logit_weight, against=against)",
        "Term(self.name, blocks, self.logit_weight)", _WHOLE,
    ),
    "a dark memory without its weight": mutant(
        der, "Term(self.name, blocks, self.logit_weight, against=against)",
        "Term(self.name, blocks, against=against)",
        test_loop.test_the_total_is_the_sum_of_what_is_minimised_each_with_its_weight,
        name="der", parameter="logit_weight", value=0.3, weights=(("der", 0.3),),
    ),
    "a later question for the model's to write": mutant(
        samples, "document.first_target if is_chat else max(tokens + 1, document.first_target)",
        "max(tokens + 1, document.first_target)",
        test_self_replay.test_of_a_chat_the_first_question_is_the_beginning_whatever_follows,
    ),
    "texts drawn at the inverse temperature": mutant(
        samples, ".float() / temperature", ".float() * temperature", _LAW, temperature=0.7
    ),
    "the likeliest text for a drawn one": mutant(
        samples, "torch.multinomial(chances, 1, generator=generator)", "chances.argmax(1, keepdim=True)", _LAW,
        temperature=1.0,
    ),
    "texts written under dropout": mutant(
        samples, "with without_dropout(view.model):", "if True:", _LAW, temperature=1.0
    ),
    "texts without their end": mutant(
        samples, "int(ends[0]) + 1]", "int(ends[0])]", _LAW, temperature=1.0
    ),
    "texts that go on after their end": mutant(
        samples, "return tokens[: written_from + int(ends[0]) + 1].int() if len(ends) else tokens.int()",
        "return tokens.int()", _LAW, temperature=1.0,
    ),
    "the same draws in every stage": mutant(
        samples, 'f"{owner} samples", view.stage, number', 'f"{owner} samples", number',
        test_self_replay.test_texts_of_one_stream_are_the_same_and_those_of_another_stage_are_not,
    ),
    "the same draws in every batch": mutant(
        samples, 'f"{owner} samples", view.stage, number', 'f"{owner} samples", view.stage',
        test_self_replay.test_batches_are_drawn_apart,
    ),
    "a resumed batch that is written once more": mutant(
        samples, "enumerate(batches[done:], start=done)", "enumerate(batches, start=0)",
        test_self_replay.test_writing_goes_on_where_it_was_cut_off_to_the_same_texts,
    ),
    "a prompt cut short": mutant(
        samples, "else max(tokens + 1, document.first_target)", "else tokens + 1",
        test_self_replay.test_beginnings_are_first_tokens_or_whole_prompts_that_leave_room,
    ),
    "texts of the first task alone": mutant(
        samples, "tasks[n % len(tasks)][(n // len(tasks))", "tasks[0][(n // len(tasks))",
        test_self_replay.test_every_past_task_is_written_about_as_often,
    ),
    "written texts without their weight": mutant(
        self_replay, "Term(self.name, drawn, self.replay_weight, against=against)",
        "Term(self.name, drawn, against=against)", _OWN, loss="kl",
    ),
}  # fmt: skip
