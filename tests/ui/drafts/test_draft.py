import pytest

from engine.common.errors import ConfigError
from engine.experiments.experiment import experiment_from
from ui.drafts.draft import declared_parameters, draft_of


def test_a_parameter_written_with_its_part_is_in_the_form_under_its_short_name() -> None:
    data = {
        "name": "x",
        "tasks": [{"name": "a", "train": "a.txt"}],
        "strategies": [{"replay+ewc": {"replay.replay_weight": 0.25, "ewc.ewc_lambda": [3.0, 30.0], "epochs": 4}}],
    }
    (spec,) = draft_of(experiment_from(data), {}).specs()
    found = [(each["replay_weight"], each["ewc_lambda"], each["epochs"]) for each in spec.resolve_all()]
    assert found == [(0.25, 3.0, 4), (0.25, 30.0, 4)]


def test_an_experiment_that_gives_a_lambda_of_ewc_leaves_the_strength_out_until_the_form_changes_it() -> None:
    data = {"name": "x", "tasks": [{"name": "a", "train": "a.txt"}], "strategies": [{"ewc": {"ewc_lambda": 100}}, "l2"]}
    draft = draft_of(experiment_from(data), {})
    wanted = [{"ewc_lambda": 100}, {"l2_lambda": 0.1, "reference": "previous"}]
    assert [spec.parameters for spec in draft.specs()] == wanted
    draft.cards[0].values["ewc_strength"] = 3.0
    with pytest.raises(ConfigError, match="not both"):
        draft.specs()
    draft.cards[0].values["ewc_lambda"] = None
    assert draft.specs()[0].parameters == {"ewc_strength": 3.0}
    draft.cards[0].several, draft.cards[0].texts = True, {"ewc_strength": "1", "ewc_lambda": "3, 30"}
    assert [each["ewc_lambda"] for each in draft.specs()[0].resolve_all()] == [3.0, 30.0]


def test_an_empty_learning_rate_says_what_the_strategy_makes_of_trainings() -> None:
    def empty(strategy: str) -> dict[str, str]:
        return {each.name: each.empty for each in declared_parameters(strategy)}

    assert empty("naive")["learning_rate"] == "as in training"
    for name in ("lora", "replay+lora"):
        assert empty(name)["learning_rate"] == "10 times that of training"
        assert empty(name)["epochs"] == "as in training"
