from dataclasses import dataclass, replace
from typing import ClassVar

import pytest

from engine import strategies
from engine.experiments.experiment import Experiment, experiment_from
from engine.forecast import trained_weights
from engine.forecast.estimate import _WRITTEN_SHARE, RunCost, TaskSize, estimate
from engine.forecast.machine_speed import Speed
from engine.forecast.trained_weights import StageWeights, weights_of
from engine.strategies.base import Strategy
from engine.strategies.costs import Cost, Reading

SIZES = (TaskSize("a", 100, 1000, 200, 100), TaskSize("b", 50, 500, 100, 100), TaskSize("c", 10, 300, 50, 50))
SPEED = Speed(
    training_tokens_per_second=100.0,
    fisher_tokens_per_second=50.0,
    parameters=1_000,
    activation_bytes=7,
    device="cpu",
    vocabulary=40,
)


def experiment(*strategies: object, seeds: tuple[int, ...] = (0,), **training: object) -> Experiment:
    tasks = [{"name": size.name, "train": f"{size.name}.txt"} for size in SIZES]
    rows = {"block_size": 10, "tokens_per_step": 200}  # a document of ten tokens fills a row
    settings = {"epochs": 2, "evaluations_per_stage": 2, "evaluation_tokens": 60} | rows | training
    about = {"name": "e", "tasks": tasks, "strategies": list(strategies), "seeds": seeds, "training": settings}
    return experiment_from(about | {"reference": "general.txt"})


def only_run(strategy: object, **training: object) -> RunCost:
    (run,) = estimate(experiment(strategy, **training), SIZES, SPEED).runs
    return run


def test_naive_reads_every_task_once_an_epoch() -> None:
    run = only_run("naive")
    assert (run.training_tokens, run.fisher_tokens) == (2 * 1000 + 2 * 500 + 2 * 300, 0)


def test_a_token_budget_ends_a_stage_before_its_epochs_do() -> None:
    assert only_run("naive", stage_tokens=700).training_tokens == 700 + 700 + 600


def test_replay_adds_its_share_of_tokens_from_the_second_stage_on() -> None:
    run = only_run({"replay": {"replay_weight": 1.0, "replay_ratio": 0.5}})
    assert run.training_tokens == 2000 + 1500 + 900


def test_replay_with_weight_zero_costs_what_naive_costs() -> None:
    assert only_run({"replay": {"replay_weight": 0.0}}).training_tokens == only_run("naive").training_tokens


def test_joint_reads_all_tasks_so_far_in_each_stage() -> None:
    assert only_run("joint").training_tokens == 2000 + 3000 + 3600


def test_the_fisher_reads_at_most_the_documents_it_may() -> None:
    # 20 of 100 and 20 of 50 documents; nothing comes after the last task that its Fisher could protect.
    assert only_run({"ewc": {"fisher_documents": 20}}).fisher_tokens == 200 + 200


def test_both_together_cost_replayed_and_fisher_tokens() -> None:
    run = only_run({"replay+ewc": {"replay_ratio": 1.0}})
    assert run.training_tokens == 2000 + 2000 + 1200
    assert run.fisher_tokens == 1500


CHAT = replace(SIZES[0], reads_per_target=8.0, held_out_reads_per_target=6.0)
"""Of the first task eight tokens are read for each that is learnt, 80 a document; of the others each is learnt."""


def test_what_is_read_and_not_learnt_counts_and_a_budget_is_one_of_learnt_tokens() -> None:
    (run,) = estimate(experiment("naive", stage_tokens=700), (CHAT, *SIZES[1:]), SPEED).runs
    assert run.training_tokens == 8 * 700 + 700 + 600
    assert run.scoring_tokens == 4 * (6 * 200 + 100 + 50) + 3 * (6 * 60 + 60 + 50)


def test_a_memory_is_drawn_from_by_learnt_tokens_and_reads_what_stands_around_them() -> None:
    """The second stage draws 500 of the first task, which are 4,000 read. Before the third a document of the first and
    one of the second are 10 and 10 learnt and 80 and 10 read: its 300 are 1,350."""
    (run,) = estimate(experiment({"replay": {"replay_ratio": 0.5}}), (CHAT, *SIZES[1:]), SPEED).runs
    assert run.training_tokens == (8 * 2000) + (1000 + 4000) + (600 + 1350)
    (run,) = estimate(experiment({"kl": {"reference_ratio": 0.5}}), (CHAT, *SIZES[1:]), SPEED).runs
    assert (run.training_tokens, run.forward_tokens) == (16_000 + 5_000 + 1_950, 4_000 + 1_350)


def test_a_small_draw_is_of_whole_pieces_and_seldom_of_a_task_with_few_targets() -> None:
    """Steps of 64 tokens draw 16 beside plain text in documents of 64. In the second stage they are eight rows of
    conversations, with two targets of 64 tokens each; in the third one row, of conversations or of plain text."""
    chat, plain = TaskSize("a", 100, 200, 9, 9, reads_per_target=32.0), TaskSize("b", 100, 6400, 9, 9)
    rows = {"block_size": 64, "tokens_per_step": 64, "epochs": 1}
    (run,) = estimate(experiment({"kl": {"reference_ratio": 0.25}}, **rows), (chat, plain, plain), SPEED).runs
    assert run.training_tokens == 200 * 32 + 100 * (64 + 8 * 64) + 100 * (64 + 64)
    assert run.forward_tokens == 100 * 8 * 64 + 100 * 64


def test_a_teacher_of_the_new_text_and_the_fisher_read_all_of_a_document() -> None:
    tasks = (SIZES[0], replace(SIZES[1], reads_per_target=3.0), SIZES[2])
    (run,) = estimate(experiment({"kl": {"reference_text": "new"}}), tasks, SPEED).runs
    assert run.forward_tokens == 3 * 1000 + 600
    (run,) = estimate(experiment({"ewc": {"fisher_documents": 20}}), tasks, SPEED).runs
    assert run.fisher_tokens == 200 + 3 * 200


@pytest.fixture
def thorough(monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a strategy that nothing but its declaration tells of: from stage to stage it costs more."""

    @dataclass(frozen=True)
    class Thorough(Strategy):
        name: ClassVar[str] = "thorough"
        __pydantic_fields__: ClassVar[dict[str, object]] = {}

        def cost(self, stage: int) -> Cost:
            readings = (Reading(25, ("gradients",)), Reading(25, ("gradients",)), Reading(10), Reading(10))
            return Cost(tokens_per_new_token=stage, readings=readings, tensors=stage)

    monkeypatch.setitem(strategies._BY_NAME, Thorough.name, Thorough)
    return Thorough.name


def test_a_strategy_that_nobody_knows_costs_what_it_declares(thorough: str) -> None:
    run, naive = only_run(thorough), only_run("naive")
    assert run.training_tokens == 2 * 2000 + 3 * 1000 + 4 * 600
    # A quarter of the first task and half of the second, once each; twice a tenth and twice a fifth, shared by nobody.
    assert run.fisher_tokens == (250 + 2 * 100) + (250 + 2 * 100)
    assert run.memory_bytes - naive.memory_bytes == 3 * 4 * 1_000
    assert run.disk_bytes == naive.disk_bytes  # what it remembers can be made again from its checkpoints


def test_strategies_side_by_side_cost_what_they_cost_together(thorough: str) -> None:
    both, own, replay = only_run(f"replay+{thorough}"), only_run(thorough), only_run("replay")
    naive = only_run("naive")
    assert both.training_tokens - own.training_tokens == replay.training_tokens - naive.training_tokens
    assert (both.fisher_tokens, both.disk_bytes) == (own.fisher_tokens, own.disk_bytes)


def test_held_out_text_is_scored_whole_after_every_stage_and_in_part_inside_them() -> None:
    assert only_run("naive").scoring_tokens == 4 * 350 + 3 * (60 + 60 + 50)


def test_of_long_held_out_text_a_part_is_scored() -> None:
    longest = max(size.held_out_tokens for size in SIZES)
    saved = 4 * (longest - 100)
    assert only_run("naive", held_out_tokens=100).scoring_tokens == only_run("naive").scoring_tokens - saved


def test_time_is_tokens_over_the_measured_speeds() -> None:
    run = only_run({"ewc": {"fisher_documents": 1000}})
    assert run.seconds == pytest.approx(3600 / 100 + 1500 / 50 + run.scoring_tokens / 300)


def test_ewc_needs_two_tensors_of_the_weights_size_more() -> None:
    assert only_run("ewc").memory_bytes - only_run("naive").memory_bytes == 2 * 4 * 1_000


@pytest.mark.parametrize("name", ["l2", "averaging", "reptile"])
def test_weights_that_a_checkpoint_holds_already_take_memory_and_no_disk(name: str) -> None:
    assert only_run(name).memory_bytes - only_run("naive").memory_bytes == 4 * 1_000
    assert only_run(name).disk_bytes == only_run("naive").disk_bytes


def test_the_whole_is_the_sum_over_runs_and_seeds() -> None:
    result = estimate(experiment("naive", "joint", seeds=(0, 1, 2)), SIZES, SPEED)
    assert result.seconds == pytest.approx(3 * sum(run.seconds for run in result.runs))
    assert result.memory_bytes == max(run.memory_bytes for run in result.runs)


def test_what_runs_share_costs_once() -> None:
    strategies = ["naive", "replay", {"ewc": {"ewc_lambda": [3.0, 30.0]}}, "joint"]
    runs = estimate(experiment(*strategies), SIZES, SPEED).runs
    assert [run.training_tokens for run in runs] == [3600, 1500 + 900, 1600, 1600, 3000 + 3600]
    # The first λ estimates the Fisher after both stages; the first stage's serves the second λ too.
    assert [run.fisher_tokens for run in runs] == [0, 0, 1000 + 500, 500, 0]
    assert runs[0].scoring_tokens - runs[1].scoring_tokens == 350 + (350 + 60 + 60 + 50)


def test_orders_that_begin_with_the_same_tasks_share_their_stages() -> None:
    described = experiment("naive", "replay")
    orders = (("a", "b", "c"), ("a", "c", "b"), ("b", "a", "c"))
    runs = estimate(described.model_copy(update={"orders": orders}), SIZES, SPEED).runs
    assert [run.label for run in runs] == [f"{name} (order={n})" for n in (1, 2, 3) for name in ("naive", "replay")]
    naive, replay = runs[::2], runs[1::2]
    # epochs of two: 2000, 1000 and 600 tokens of a, b and c; replay shares the first stage of naive's of its order
    assert [run.training_tokens for run in naive] == [2000 + 1000 + 600, 600 + 1000, 1000 + 2000 + 600]
    alone = [
        estimate(described.in_order(order), [SIZES["abc".index(n)] for n in order], SPEED).runs for order in orders
    ]
    assert [run.training_tokens for run in replay] == [of_order[1].training_tokens for of_order in alone]
    assert [run.memory_bytes for run in naive] == [of_order[0].memory_bytes for of_order in alone]
    asked = list[tuple[int, ...]]()
    estimate(
        described.model_copy(update={"orders": orders[1:2], "strategies": described.strategies[:1]}), SIZES, SPEED,
        lambda seed, key_parts, places: asked.append(tuple(places)) is not None,
    )  # fmt: skip
    assert asked == [(), (0,), (0, 2), (0, 2, 1)], "a stage is known by the texts so far, in their order"


def test_what_is_kept_from_earlier_costs_nothing() -> None:
    known = estimate(experiment("naive", seeds=(0, 1)), SIZES, SPEED, lambda seed, key_parts, places: seed == 0)
    assert known.runs[0].training_tokens == 0
    alone = estimate(experiment("naive", seeds=(1,)), SIZES, SPEED)
    assert known.seconds == alone.seconds


def test_the_estimate_counts_the_epochs_that_strategies_and_tasks_set() -> None:
    assert only_run({"naive": {"epochs": 5}}).training_tokens == 5 * (1000 + 500 + 300)
    assert only_run({"naive": {"epochs": 5}}, stage_tokens=700).training_tokens == 700 * 3
    plain = experiment(
        "naive", {"joint": {"epochs": 4}}, {"naive": {"learning_rate": 1e-4}}, {"replay": {"replay_ratio": 0.5}}
    )
    tasks = (plain.tasks[0].model_copy(update={"epochs": 1}), *plain.tasks[1:])
    runs = estimate(plain.model_copy(update={"tasks": tasks}), SIZES, SPEED).runs
    # Joint and replay take over naive's first stage, whose epochs the task sets; another rate takes over nothing.
    joint = (1000 + 2000) + (1000 + 2000 + 1200)
    assert [run.training_tokens for run in runs] == [1000 + 1000 + 600, joint, 2600, 1500 + 900]


def test_frozen_weights_need_neither_gradients_nor_moments_and_steps_cost_less(monkeypatch: pytest.MonkeyPatch) -> None:
    plain, full = only_run("naive", optimizer_state="keep"), SPEED.parameters
    trained = [
        StageWeights(full, 300, 300, 0.5),
        StageWeights(full, 400, 600, 0.75),
        StageWeights(full, 200, 700, 0.25),
    ]
    monkeypatch.setattr(trained_weights, "_of_shapes", lambda name, strategy, stages, seed: trained)
    own = only_run("freeze", optimizer_state="keep")
    assert plain.memory_bytes - own.memory_bytes == 4 * 3 * (1_000 - 400)
    assert plain.disk_bytes - own.disk_bytes == 4 * 2 * (3 * 1_000 - 300 - 400 - 200)  # moments
    scored = own.scoring_tokens / 300
    assert own.seconds == pytest.approx((0.5 * 2000 + 0.75 * 1000 + 0.25 * 600) / 100 + scored)
    # Its A and μ are those of all weights that have trained so far.
    both, none_frozen = only_run({"freeze+ewc": {"fisher_documents": 1000}}), only_run("ewc")
    assert both.seconds - only_run("freeze").seconds == pytest.approx((0.5 * 1000 + 0.75 * 500) / 50)
    assert both.memory_bytes - only_run("freeze").memory_bytes == 4 * 2 * 600
    assert both.memory_bytes < none_frozen.memory_bytes


def test_tensors_that_steps_hold_count_as_memory_and_not_on_disk() -> None:
    masked, plain = only_run("mask"), only_run("naive")
    assert masked.memory_bytes - plain.memory_bytes == 2 * 4 * 1_000
    assert masked.disk_bytes == plain.disk_bytes
    projected = only_run({"agem": {"replay_ratio": 0.5}})
    assert projected.memory_bytes - plain.memory_bytes == 2 * 4 * 1_000
    assert projected.training_tokens == 2000 + 1500 + 900
    # Joined to replay, one more of replay's term, and the sum of what is minimised.
    assert only_run("replay+agem").memory_bytes - plain.memory_bytes == 4 * 4 * 1_000


def test_the_estimate_of_a_strategy_that_freezes_looks_at_the_models_shapes() -> None:
    own, plain = only_run({"freeze": {"frozen_layers": 1}}), only_run("naive")
    found = weights_of("tiny-gpt2", 0, strategies.build("freeze", {"frozen_layers": 1}), 3, 0)
    assert own.memory_bytes - plain.memory_bytes == 4 * (found[0].whole + 3 * found[0].trained - 4 * 1_000)
    assert 0 < found[0].trained < found[0].whole


def test_what_a_teacher_reads_costs_a_third_of_what_is_trained_on() -> None:
    run = only_run({"kl": {"reference_ratio": 0.25}})
    assert run.training_tokens == 2000 + 1250 + 750
    assert run.forward_tokens == 250 + 150
    assert run.seconds == pytest.approx(4000 / 100 + (400 + run.scoring_tokens) / 300)
    on_new = only_run({"kl": {"reference_text": "new", "in_first_stage": True}})
    assert (on_new.training_tokens, on_new.forward_tokens) == (3600, 3600)


def test_a_file_to_compare_on_costs_what_a_memory_does_and_nothing_is_kept_of_it() -> None:
    run, of_memory = only_run({"kl": {"reference_text": "file"}}), only_run("kl")
    assert (run.training_tokens, run.forward_tokens) == (2000 + 1250 + 750, 250 + 150)
    assert (run.seconds, run.memory_bytes) == (of_memory.seconds, of_memory.memory_bytes)
    cost = strategies.build("kl", {"reference_text": "file", "memory_size": 70}).cost(2)
    assert (cost.documents, cost.written_texts, cost.copies) == (0, 0, 1)
    first = only_run({"kl": {"reference_text": "file", "in_first_stage": True}})
    assert (first.training_tokens, first.forward_tokens) == (2500 + 1250 + 750, 500 + 250 + 150)


def test_stages_on_another_reference_text_are_not_taken_for_known() -> None:
    described, made = experiment({"kl": {"reference_text": "file"}}), list[object]()
    estimate(described, SIZES, SPEED, lambda seed, key_parts, places: made.append(key_parts) is not None, "one")
    known = {
        text: estimate(described, SIZES, SPEED, lambda _, parts, places: parts in made, text) for text in ("one", "two")
    }
    assert known["one"].runs[0].training_tokens == 0
    assert known["two"].runs[0].training_tokens == 1250 + 750


def test_a_teachers_pass_costs_the_same_whatever_trains(monkeypatch: pytest.MonkeyPatch) -> None:
    half = [StageWeights(1000, 300, 300, 0.5)] * 3
    monkeypatch.setattr(trained_weights, "_of_shapes", lambda name, strategy, stages, seed: half)
    run = only_run({"kl+freeze": {"reference_ratio": 0.25}})
    assert run.seconds == pytest.approx(0.5 * 4000 / 100 + (400 + run.scoring_tokens) / 300)


def test_written_texts_are_as_long_as_the_documents_before_them_and_no_longer_than_a_block() -> None:
    # The mean document has 10 tokens before the second stage, and (1000 + 500) / 150 = 10 before the third.
    run = only_run({"self-replay": {"samples": 30, "replay_ratio": 0.5}})
    assert run.written_tokens == 30 * 10 + 30 * 10
    assert run.training_tokens == 2000 + 1500 + 900
    seconds = run.training_tokens / 100 + _WRITTEN_SHARE * 600 / 100 + run.scoring_tokens / 300
    assert run.seconds == pytest.approx(seconds)
    assert only_run({"self-replay": {"samples": 30}}, block_size=8).written_tokens == 2 * 30 * 8
    from_first = {"kl": {"reference_text": "samples", "memory_size": 3, "in_first_stage": True}}
    assert only_run(from_first, block_size=64).written_tokens == 3 * (64 + 10 + 10)


def test_distributions_that_are_kept_take_memory_by_the_tokens_of_the_kept_documents() -> None:
    run, naive = only_run({"der": {"memory_size": 40, "top_k": 4}}), only_run("naive")
    # 40 documents of 10 tokens after the first stage, then 20 and 20; of each token 4 ids and 5 log-probabilities.
    assert run.memory_bytes - naive.memory_bytes == 4 * 400 * 9
    every = only_run({"der": {"memory_size": 10_000, "top_k": 10_000}})
    assert every.memory_bytes - naive.memory_bytes == 4 * 1500 * (40 + 41)  # the whole vocabulary, and no more


def test_what_is_read_without_a_gradient_after_a_stage_costs_a_third_of_the_fishers_time() -> None:
    run = only_run({"der": {"memory_size": 40}})
    assert (run.fisher_tokens, run.forward_tokens) == (0, 400 + 200)
    assert run.seconds == pytest.approx(4400 / 100 + 600 / 3 / 50 + run.scoring_tokens / 300)
