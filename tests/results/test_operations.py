import pytest

from engine import strategies
from engine.experiments.experiment import Training
from engine.results.operations import run_operations, tokens_read

TRAINING = Training(block_size=64, tokens_per_step=64)
TASKS = [
    {"name": "bread", "documents": 10, "target_tokens": 1000},
    {"name": "tea", "documents": 20, "target_tokens": 400, "read_tokens": 800},
]


def counted(*stages: int) -> list[tuple[int, int | None]]:
    """Stages of which is not known how many tokens are new, as in runs of earlier versions."""
    return [(tokens, None) for tokens in stages]


def test_a_plain_run_costs_six_operations_a_parameter_and_token_read() -> None:
    naive = strategies.build("naive", {})
    assert run_operations(naive, 50, counted(1000, 0), TASKS, [3, 3], TRAINING) == 6 * 50 * 1000
    assert run_operations(naive, 50, counted(0, 400), TASKS, [3, 3], TRAINING) == 6 * 50 * 800  # with the prompts


def test_replayed_tokens_and_the_documents_of_the_fisher_information_are_counted() -> None:
    replay = strategies.build("replay", {})
    assert run_operations(replay, 50, counted(1000, 600), TASKS, [3, 3], TRAINING) == 6 * 50 * (1000 + 800 + 200)
    ewc = strategies.build("ewc", {"ewc_lambda": 1.0, "fisher_documents": 5})
    assert run_operations(ewc, 50, counted(1000, 400), TASKS, [3, 3], TRAINING) == 6 * 50 * (
        1000 + 800 + 500
    )  # half of the first task's
    off = strategies.build("ewc", {"ewc_lambda": 0.0, "fisher_documents": 5})
    assert run_operations(off, 50, counted(1000, 400), TASKS, [3, 3], TRAINING) == 6 * 50 * (1000 + 800)


def test_what_is_drawn_of_past_tasks_is_read_with_their_prompts_and_not_with_the_new_ones() -> None:
    chat = {"name": "chat", "documents": 50, "target_tokens": 400, "read_tokens": 3200}
    plain = {"name": "plain", "documents": 50, "target_tokens": 3200}
    replay, known = strategies.build("replay", {}), [(400, 400), (3200 + 1600, 3200)]
    found = run_operations(replay, 50, known, [chat, plain], [1, 1], TRAINING)
    assert found == 6 * 50 * (3200 + 3200 + 8 * 1600)
    found = run_operations(replay, 50, [(3200, 3200), (400 + 200, 400)], [plain, chat], [1, 1], TRAINING)
    assert found == 6 * 50 * (3200 + 3200 + 200)


def test_joint_reads_the_earlier_tasks_again() -> None:
    joint = strategies.build("joint", {})
    found = run_operations(joint, 50, counted(1000, 1400), TASKS, [3, 3], TRAINING)
    assert found == pytest.approx(6 * 50 * (1000 + 1400 * 1800 / 1400))


def test_joint_reads_a_task_with_many_prompts_more_often_where_its_epochs_are_more() -> None:
    joint = strategies.build("joint", {})
    found = run_operations(joint, 50, counted(1000, 1000 + 3 * 400), TASKS, [1, 3], TRAINING)
    assert found == pytest.approx(6 * 50 * (1000 + 1000 + 3 * 800))


def test_a_stage_that_trains_a_part_of_the_weights_counts_the_share_that_its_run_recorded() -> None:
    shares = [TASKS[0] | {"operations_share": 0.5}, TASKS[1] | {"operations_share": 0.75}]
    found = run_operations(strategies.build("freeze", {}), 50, counted(1000, 400), shares, [3, 3], TRAINING)
    assert found == 6 * 50 * (0.5 * 1000 + 0.75 * 800)
    both = run_operations(
        strategies.build("freeze+ewc", {"fisher_documents": 5}), 50, counted(1000, 400), shares, [3, 3], TRAINING
    )
    assert both == 6 * 50 * (0.5 * (1000 + 500) + 0.75 * 800)


def test_a_teacher_costs_two_operations_a_parameter_and_token_that_it_reads() -> None:
    kl = strategies.build("kl", {"reference_ratio": 0.25})
    found = run_operations(kl, 50, counted(1000, 500), TASKS, [3, 3], TRAINING)  # 400 new tokens and 100 of reference
    assert found == pytest.approx(50 * (6 * 1000 + 6 * (800 + 100) + 2 * 100))  # of the new ones the prompts too
    on_a_file = strategies.build("kl", {"reference_text": "file", "reference_ratio": 0.25})
    assert run_operations(on_a_file, 50, counted(1000, 500), TASKS, [3, 3], TRAINING) == found
    on_new = strategies.build("kl", {"reference_text": "new"})
    found = run_operations(on_new, 50, counted(1000, 400), TASKS, [3, 3], TRAINING)
    assert found == 50 * (6 * 1000 + (6 + 2) * 800)


def test_a_teacher_reads_what_was_really_drawn_beside_the_new_tokens() -> None:
    kl = strategies.build("kl", {"reference_ratio": 0.25})
    # 200 where 100 were declared, of a task whose tokens are all learnt, unlike the new task's
    found = run_operations(kl, 50, [(1000, 1000), (600, 400)], TASKS, [3, 3], TRAINING)
    assert found == pytest.approx(50 * (6 * 1000 + 6 * (800 + 200) + 2 * 200))
    on_new = strategies.build("kl", {"reference_text": "new"})
    found = run_operations(on_new, 50, [(1000, 1000), (400, 400)], TASKS, [3, 3], TRAINING)
    assert found == 50 * (6 * 1000 + (6 + 2) * 800)
    # Beside replay, which declares twice as much, a third of what was drawn is kl's.
    both = tokens_read(strategies.build("replay+kl", {"kl.reference_ratio": 0.25}).cost(2), 700, 400, 1, 1, ends=True)
    assert (both.backward, both.forward) == (700, pytest.approx(100))


def test_written_texts_cost_a_forward_pass_a_token() -> None:
    own = strategies.build("self-replay", {"samples": 7})
    found = run_operations(own, 50, counted(1000, 600), TASKS, [3, 3], TRAINING)
    assert found == 50 * (6 * (1000 + 1000) + 2 * 7 * 64)  # a document has 100 tokens, a block 64
    assert run_operations(own, 50, counted(1000, 600), TASKS, [3, 3], Training(block_size=256)) == 50 * (
        6 * (1000 + 1000) + 2 * 7 * 100
    )


def test_what_is_read_without_a_gradient_costs_two_operations() -> None:
    der = strategies.build("der", {"memory_size": 5})
    assert run_operations(der, 50, counted(1000, 600), TASKS, [3, 3], TRAINING) == 50 * (6 * (1000 + 1000) + 2 * 500)
    frozen = [TASKS[0] | {"operations_share": 0.5}, TASKS[1] | {"operations_share": 0.5}]
    both = run_operations(
        strategies.build("freeze+der", {"memory_size": 5}), 50, counted(1000, 600), frozen, [3, 3], TRAINING
    )
    assert both == 50 * (0.5 * 6 * (1000 + 1000) + 2 * 500)
