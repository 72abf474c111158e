"""The experiment that continues another one: its tasks, and its orders where these vary."""

from pathlib import Path

from engine.experiments.experiment import experiment_from, to_data
from engine.tasks.spec import TaskSpec
from tests.fake_runs import experiment
from ui.adding.continued import with_task

SOUP = TaskSpec(name="soup", train=("soup.txt",))


def test_without_orders_the_task_comes_last_and_no_order_appears(tmp_path: Path) -> None:
    made = with_task(experiment(tmp_path), SOUP, "more")
    assert [task.name for task in made.tasks] == ["bread", "tea", "soup"]
    assert "orders" not in to_data(made)


def test_every_order_gets_the_task_at_its_end_and_one_run_goes_on_in_its_own(tmp_path: Path) -> None:
    earlier = experiment(tmp_path, orders="all")
    made = with_task(earlier, SOUP, "more")
    assert made.task_orders == (("bread", "tea", "soup"), ("tea", "bread", "soup"))
    assert experiment_from(to_data(made)) == made
    alone = with_task(earlier, SOUP, "more", earlier.runs()[-1])
    assert [(run.strategy, run.order) for run in alone.runs()] == [("replay", ("tea", "bread", "soup"))]
