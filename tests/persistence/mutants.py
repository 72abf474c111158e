"""Mistakes in what is kept on the disk and taken again, each with the test that must catch it."""

from engine.common import durable_files
from engine.persistence import checkpoints, content_keys, journal, resume_points, shared_results
from tests.driving import test_thinning
from tests.mutation import Mutant, mutant
from tests.persistence import test_kept_by_hand, test_shared_results
from tests.strategies import test_kl_on_a_file

_KEY = test_kept_by_hand.test_a_stage_s_key_holds_content_seed_plan_and_all_that_acted_before
_BIT = test_kept_by_hand.test_a_tensor_with_one_bit_changed_is_computed_again
_USED = test_kept_by_hand.test_what_was_used_last_stays_and_not_what_was_made_last
_NEWEST = test_kept_by_hand.test_a_run_goes_on_from_its_newest_point_and_says_again_what_it_had_said_there
_BEFORE = test_kept_by_hand.test_a_newest_point_with_one_bit_changed_gives_way_to_the_one_before
_DIGIT = test_kept_by_hand.test_a_journal_with_one_digit_changed_is_not_continued
_LAST = test_kept_by_hand.test_a_run_goes_on_after_its_last_sound_checkpoint

_TAKEN_OUT = test_thinning.test_a_folder_is_whole_whenever_files_are_taken_out_of_it
_MADE_AGAIN = test_thinning.test_a_run_goes_on_from_what_it_can_make_its_state_again_of
_LARGE = test_thinning.test_large_states_go_but_the_last_stage_s_and_small_ones_stay

MUTANTS: dict[str, Mutant] = {
    "files that leave a folder before its sums know": mutant(
        durable_files, "if not sums.keys().isdisjoint(names)", "if False", _TAKEN_OUT
    ),
    "a state made again of a damaged stage": mutant(
        checkpoints, "is_whole(stage_folder(run_folder, each)) for each in", "True for each in", _MADE_AGAIN
    ),
    "a stage to go on from without the optimiser's state": mutant(
        checkpoints, "(with_optimizer and OPTIMIZER_FILE not in sums)", "False", _MADE_AGAIN
    ),
    "the last stage without its optimiser's state": mutant(
        checkpoints, "if stage < finished else (STATE_FILE,)", "if stage <= finished else (STATE_FILE,)", _LARGE
    ),
    "a key without the seed": mutant(
        content_keys, "content_key(content, seed, repr(parts), list", "content_key(content, repr(parts), list", _KEY
    ),
    "a key without the content": mutant(
        content_keys, "content_key(content, seed, repr(parts), list", "content_key(seed, repr(parts), list", _KEY
    ),
    "a key without the stages before": mutant(
        content_keys, '(before if plan.start == "previous" else (), stage,', "((), stage,", _KEY
    ),
    "a key without the weights that a stage starts from": mutant(
        content_keys, 'before if plan.start == "previous" else ()', "before", _KEY
    ),
    "a key without the tasks that a stage trains on": mutant(
        content_keys, "stage, plan.tasks, own", "stage, own", _KEY
    ),
    "a key without the number of the stage": mutant(content_keys, "(), stage, plan.tasks", "(), plan.tasks", _KEY),
    "a key without the strategy": mutant(
        content_keys,
        "acted = strategy.signature(stage)",
        "acted = ()",
        test_shared_results.test_neutral_weights_are_recognised_as_naive,
    ),
    "a key without the reference text": mutant(
        content_keys,
        'acted = (acted, "reference", reference)',
        "pass",
        test_kl_on_a_file.test_the_texts_content_names_the_stages_that_read_it_and_those_after_them,
    ),
    "a point on another reference text": mutant(
        content_keys,
        'acted = (acted, "reference", reference)',
        "pass",
        test_kl_on_a_file.test_a_point_inside_a_stage_on_another_text_is_left_alone,
    ),
    "the reference text in the key of stages that don't read it": mutant(
        content_keys,
        "if reference and strategy.reads_reference(stage):",
        "if reference:",
        test_kl_on_a_file.test_the_texts_content_names_the_stages_that_read_it_and_those_after_them,
    ),
    "a key that depends on the order of names": mutant(content_keys, "sort_keys=True", "sort_keys=False", _KEY),
    "a damaged result that is taken": mutant(shared_results, "if is_whole(found):", "if True:", _BIT),
    "a damaged result that stays": mutant(
        shared_results,
        "        shutil.rmtree(found, ignore_errors=True)\n        return False",
        "        pass\n        return False",
        _BIT,
    ),
    "the most recently used result goes": mutant(
        shared_results,
        "sorted(self._entries())",
        "sorted(self._entries(), reverse=True)",
        test_shared_results.test_the_least_recently_used_goes_when_there_is_no_room,
    ),
    "use that is not noted": mutant(shared_results, "os.utime(found / SUMS)", "os.stat(found / SUMS)", _USED),
    "room for one result more than there is": mutant(
        shared_results, "if total <= self.limit_bytes", "if total - size <= self.limit_bytes", _USED
    ),
    "the oldest point": mutant(resume_points, "key=_number, reverse=True", "key=_number, reverse=False", _NEWEST),
    "points in the order of a dictionary": mutant(
        resume_points, "key=_number, reverse=True", "key=str, reverse=True", _NEWEST
    ),
    "one point alone": mutant(resume_points, "KEPT = 2", "KEPT = 1", _BEFORE),
    "a point that serves another stage": mutant(
        resume_points, "if position.key == key else None", "if True else None", _BEFORE
    ),
    "a damaged point that is taken": mutant(resume_points, "if not is_whole(folder):", "if False:", _BEFORE),
    "a journal that is not what it was": mutant(journal, "content.hexdigest() != mark.sum", "False", _DIGIT),
    "a journal that is shorter than its mark": mutant(journal, "if left or content", "if content", _DIGIT),
    "a journal that keeps what came after its mark": mutant(
        journal, "journal._open.truncate(mark.length)", "pass", _NEWEST
    ),
    "a mark from before the last events": mutant(
        journal, "        self._write()\n        os.fsync(", "        pass\n        os.fsync(", _NEWEST
    ),
    "the first sound stage for the last": mutant(
        checkpoints, "range(finished, 0, -1)", "range(1, finished + 1)", _LAST
    ),
    "a damaged checkpoint that is taken": mutant(
        checkpoints, "if not is_whole(folder) or (with_optimizer", "if (with_optimizer", _LAST
    ),
}
