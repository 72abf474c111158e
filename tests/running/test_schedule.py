"""Which run may begin beside others: by the stages that it has in common with them."""

from itertools import permutations
from pathlib import Path

import pytest

from engine.experiments.experiment import Experiment
from engine.running.schedule import StagedRun, next_run, stage_names, trains_for, until_wanted
from tests.fake_runs import experiment


def names(described: Experiment) -> dict[tuple[str, int], tuple[str, ...]]:
    return {(run.label, run.seed): stage_names(described, run) for run in described.runs()}


def in_common(one: tuple[str, ...], other: tuple[str, ...]) -> list[int]:
    """The stages, from 1, of the same name."""
    return [stage for stage, (a, b) in enumerate(zip(one, other, strict=True), start=1) if a == b]


def test_strategies_that_do_not_act_in_stage_1_have_it_in_common_within_a_seed(tmp_path: Path) -> None:
    found = names(experiment(tmp_path, strategies=["naive", "replay", "ewc", "joint", "lora"], seeds=[0, 1]))
    by_name = {(label.split(" ")[0], seed): stages for (label, seed), stages in found.items()}
    for other in ("replay", "ewc", "joint"):
        assert in_common(by_name["naive", 0], by_name[other, 0]) == [1]
    assert in_common(by_name["naive", 0], by_name["lora", 0]) == []
    assert in_common(by_name["naive", 0], by_name["naive", 1]) == []
    assert len(set(by_name["naive", 0])) == 2


@pytest.mark.parametrize(
    ("change", "shared"),
    [
        ({"name": "another name"}, [1, 2]),
        ({"general": "none"}, [1, 2]),
        ({"guards": [{"prompt": "A cup of", "contains": "tea"}]}, [1, 2]),
        ({"training": {"tokens_per_step": 64}}, []),
        ({"training": {"learning_rate": 1e-3}}, []),
        ({"model": "tiny-llama"}, []),
    ],
)
def test_what_determines_a_stage_tells_it_from_others_and_what_does_not_does_not(
    change: dict[str, object], shared: list[int], tmp_path: Path
) -> None:
    one, other = (names(experiment(tmp_path, strategies=["naive"], **each)) for each in ({}, change))
    assert in_common(one["naive", 0], next(iter(other.values()))) == shared


def test_a_stage_is_named_by_the_tasks_so_far_and_what_they_set(tmp_path: Path) -> None:
    described = experiment(tmp_path, strategies=["naive"])
    bread, tea = described.tasks
    longer = tea.model_copy(update={"epochs": 7})
    (one,), (other,), (turned,) = (
        names(described.model_copy(update={"tasks": tasks})).values()
        for tasks in ((bread, tea), (bread, longer), (tea, bread))
    )
    assert in_common(one, other) == [1]
    assert in_common(one, turned) == []


def test_orders_that_begin_with_the_same_tasks_have_these_stages_in_common(tmp_path: Path) -> None:
    described = experiment(tmp_path, strategies=["naive"])
    bread, tea = described.tasks
    soup = bread.model_copy(update={"name": "soup", "train": ("soup.txt",)})
    orders = (("bread", "tea", "soup"), ("bread", "soup", "tea"), ("tea", "bread", "soup"))
    varied = described.model_copy(update={"tasks": (bread, tea, soup), "orders": orders})
    first, second, third = names(varied).values()
    assert in_common(first, second) == [1]
    assert in_common(first, third) == []
    (alone,) = names(varied.model_copy(update={"orders": None})).values()
    assert first == alone, "and with an experiment that does not vary the order"


def run(name: str, stages: str, finished: int = 0) -> StagedRun:
    return StagedRun(name, tuple(stages.split()), finished)


def test_a_run_waits_for_the_stages_that_a_running_run_has_yet_to_finish() -> None:
    naive, replay, ewc, other = run("n", "1 2"), run("r", "1 2r"), run("e", "1 2e"), run("o", "1' 2'")
    assert next_run([naive, replay, ewc, other], []) is naive
    assert trains_for(replay, [other, naive]) is naive
    assert next_run([replay, ewc, other], [naive]) is other
    assert next_run([replay, ewc], [naive, other]) is None
    further = run("n", "1 2", finished=1)
    assert next_run([replay, ewc], [further, other]) is replay
    assert next_run([ewc], [further, run("r", "1 2r")]) is None  # replay has begun and not taken stage 1 over yet
    assert next_run([ewc], [further, run("r", "1 2r", finished=1)]) is ewc


def test_a_run_that_has_finished_the_common_stage_itself_waits_for_nobody() -> None:
    resumed = run("r", "1 2r", finished=1)
    assert next_run([resumed], [run("n", "1 2")]) is resumed


def test_all_common_stages_are_waited_for_not_the_first_alone() -> None:
    weak, strong = run("a", "1 2 3a"), run("b", "1 2 3b")
    assert [next_run([strong], [run("a", "1 2 3a", finished=done)]) for done in range(3)] == [None, None, strong]
    assert next_run([], [weak]) is None


def test_no_queue_stands_still_and_no_stage_is_trained_twice_in_any_order() -> None:
    """Runs begin as `next_run` says in two places, a stage of each at a time: all end, whatever their order."""
    everything = ["1 2 3", "1 2 3r", "1 2e 3e", "1 2j 3j", "x y z", "x y z'"]
    for order in permutations(everything):
        waiting = [run(stages, stages) for stages in order]
        running, known, trained = list[StagedRun](), set[str](), list[str]()
        while waiting or running:
            while len(running) < 2 and (chosen := next_run(waiting, running)) is not None:
                waiting.remove(chosen)
                running.append(chosen)
            assert running
            at_work = {each.stages[each.finished] for each in running}
            assert len(at_work - known) == len([e for e in running if e.stages[e.finished] not in known])
            trained += at_work - known
            known |= at_work
            running = [run(each.run_id, each.run_id, each.finished + 1) for each in running]
            running = [each for each in running if each.ahead]
        assert len(trained) == len(set(trained)) == len({name for stages in everything for name in stages.split()})


def test_none_begins_before_a_run_that_is_wanted_next_and_waits_for_a_stage() -> None:
    naive, replay, ewc, other = run("n", "1 2"), run("r", "1 2r"), run("e", "1 2e"), run("o", "1' 2'")
    assert until_wanted([replay, ewc, other], [naive], {"e"}) == 1
    assert until_wanted([replay, ewc, other], [naive], {"o"}) == 3  # it can begin
    assert until_wanted([replay, ewc, other], [naive], set()) == 3
    assert until_wanted([ewc, other], [], {"e"}) == 2
