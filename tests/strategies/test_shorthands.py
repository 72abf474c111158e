import pytest

from engine.common.errors import ConfigError
from engine.experiments.experiment import experiment_from
from engine.strategies import build
from engine.strategies.replay import old_text
from engine.strategies.shorthands import shorthands_of, written_out
from tests.strategies import throwaway

TASKS = [{"name": "a", "train": "a.txt"}, {"name": "b", "train": "b.txt"}]


def test_twenty_percent_old_text_sets_weight_and_ratio_to_a_quarter() -> None:
    assert written_out("replay", {"old_text_percent": 20, "memory_size": 50}) == [
        {"replay_weight": 0.25, "replay_ratio": 0.25, "memory_size": 50}
    ]


@pytest.mark.parametrize("percent", [1, 5, 10, 20, 33.3, 50, 90])
def test_a_percentage_comes_back_from_the_values_that_it_stands_for_which_the_strategy_takes(percent: float) -> None:
    (values,) = written_out("replay", {"old_text_percent": percent})
    assert old_text(build("replay", values).parameters) == pytest.approx(percent)


def test_values_of_two_shares_are_no_one_percentage() -> None:
    assert old_text({"replay_weight": 1.0, "replay_ratio": 0.5}) is None


def test_a_list_of_percentages_makes_a_strategy_of_each_and_not_of_every_pair() -> None:
    data = {"name": "x", "tasks": TASKS, "strategies": ["naive", {"replay": {"old_text_percent": [10, 20, 50]}}]}
    runs = experiment_from(data).runs()
    assert [(run.parameters["replay_weight"], run.parameters["replay_ratio"]) for run in runs[1:]] == [
        (pytest.approx(1 / 9), pytest.approx(1 / 9)),
        (0.25, 0.25),
        (1.0, 1.0),
    ]
    assert len({run.label for run in runs}) == 4


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ({"replay": {"old_text_percent": 20, "replay_ratio": 0.5}}, "replay_ratio is given as well"),
        ({"replay+ewc": {"old_text_percent": 20, "replay.replay_weight": 1}}, "replay_weight is given as well"),
        ({"replay": {"old_text_percent": 0}}, "expected a number from 1 to 90, not 0"),
        ({"replay": {"old_text_percent": float("nan")}}, "expected a number from 1 to 90, not nan"),
        ({"replay": {"old_text_percent": "many"}}, "expected a number from 1 to 90, not 'many'"),
        ({"replay": {"old_text_percent": True}}, "expected a number from 1 to 90, not True"),
        ({"replay": {"old_text_percent": []}}, r"not \[\]"),
        ({"ewc": {"old_text_percent": 20}}, "there is no such parameter"),
    ],
)
def test_what_a_percentage_cannot_stand_for_is_refused_in_a_sentence(entry: dict, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        experiment_from({"name": "x", "tasks": TASKS, "strategies": [entry]})


def test_a_joined_strategy_takes_a_shorthand_of_its_part_under_the_part_s_keys() -> None:
    throwaway.register()  # it has a parameter that is called as one of replay's
    try:
        assert list(shorthands_of("replay+tether")) == ["old_text_percent"]
        (values,) = written_out("replay+tether", {"old_text_percent": 50, "replay.memory_size": 7})
        assert build("replay+tether", values).parameters["replay_ratio"] == 1.0
    finally:
        throwaway.remove()


def test_replay_says_how_much_of_the_loss_and_of_the_tokens_is_old_text() -> None:
    assert build("replay", {"replay_weight": 1.0, "replay_ratio": 0.5}).in_words() == (
        "λ 1: 50\u202f% of the loss; 33\u202f% of the tokens learnt are old text.",
    )
    assert build("replay+ewc", {"replay_weight": 3.0, "replay_ratio": 1.0}).in_words() == (
        "λ 3: 75\u202f% of the loss; 50\u202f% of the tokens learnt are old text.",
    )
    assert build("replay", {"replay_weight": 0.0}).in_words() == ()
