"""The orders of the tasks on the Experiment page: what each choice makes of the experiment, and what comes back."""

from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from engine.common.errors import ConfigError
from engine.experiments.experiment import to_data
from engine.tasks.spec import TaskSpec
from ui.drafts import orders_choice as module
from ui.drafts.content import content_of, draft_from
from ui.drafts.draft import ExperimentDraft, OrdersChoice, draft_of, new_draft

KNOWN = {name: TaskSpec(name=name, train=(f"{name}.txt",)) for name in ("bread", "tea", "salt")}
AS_CHOSEN, BACKWARDS = ("bread", "tea", "salt"), ("salt", "tea", "bread")


def draft(orders: OrdersChoice, names: tuple[str, ...] = AS_CHOSEN) -> ExperimentDraft:
    made = new_draft(names)
    made.orders = orders
    return made


@pytest.mark.parametrize(
    ("chosen", "written"),
    [
        (None, None), ("reversed", [list(AS_CHOSEN), list(BACKWARDS)]), (4, 4), ("all", "all"),
        ((("tea", "salt", "bread"),), [["tea", "salt", "bread"]]),
    ],
)  # fmt: skip
def test_a_choice_makes_orders_and_comes_back_from_the_experiment_and_from_the_store(
    chosen: OrdersChoice, written: Any
) -> None:
    made = draft(chosen).experiment(KNOWN)
    assert to_data(made).get("orders") == written
    assert draft_of(made, KNOWN).orders == chosen
    kept, unread = draft_from(content_of(draft(chosen)))
    assert (kept.orders, unread) == (chosen, [])


def test_one_task_has_no_other_order_and_orders_of_other_tasks_are_named() -> None:
    assert draft("all", ("tea",)).experiment(KNOWN).orders is None
    with pytest.raises(ConfigError, match="orders: tea → salt → bread is no order of the tasks"):
        draft((("tea", "salt", "bread"),), ("tea", "salt")).experiment(KNOWN)


@pytest.mark.parametrize("kept", [1.5, True, "some", {"a": 1}, [1], [["a", 2]]])
def test_what_stands_for_no_orders_is_not_read(kept: Any) -> None:
    found, unread = draft_from(content_of(draft(None)) | {"orders": kept})
    assert (found.orders, unread) == (None, ["orders of the tasks"])


def shown(of: ExperimentDraft, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    monkeypatch.setattr(module, "_SHOWN", of, raising=False)

    def page() -> None:
        from ui.drafts import orders_choice

        orders_choice.orders_choice(orders_choice._SHOWN)  # type: ignore[attr-defined]

    at = AppTest.from_function(page, default_timeout=60).run()
    assert not at.exception
    return at


def test_the_control_offers_what_the_tasks_have_and_sets_the_draft(monkeypatch: pytest.MonkeyPatch) -> None:
    of = draft(None)
    at = shown(of, monkeypatch)
    (control,) = at.get("button_group")
    assert [each.content for each in control.proto.options] == ["No", "Reversed", "Drawn", "All 6"]
    control.set_value("drawn").run()
    assert of.orders == 3
    at.number_input[0].set_value(5).run()
    assert of.orders == 5
    at.get("button_group")[0].set_value("reversed").run()
    assert of.orders == "reversed"
    assert not at.number_input
    at.get("button_group")[0].set_value("no").run()
    assert of.orders is None


@pytest.mark.parametrize(
    ("of", "offered"),
    [
        (draft(None, ("tea", "salt")), ["No", "Reversed"]),
        (draft(None, ("tea",)), None),
        (draft((AS_CHOSEN, ("tea", "salt", "bread"))), ["No", "Reversed", "Drawn", "All 6", "The 2 of the file"]),
        (draft(None, (*AS_CHOSEN, "milk", "oil")), ["No", "Reversed", "Drawn"]),
        (draft("all", (*AS_CHOSEN, "milk", "oil")), ["No", "Reversed", "Drawn", "All 120"]),
    ],
)
def test_two_tasks_have_one_other_order_and_what_is_chosen_stays(
    of: ExperimentDraft, offered: list[str] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = of.orders
    controls = shown(of, monkeypatch).get("button_group")
    assert ([[each.content for each in one.proto.options] for one in controls] or [None]) == [offered]
    assert of.orders == before
