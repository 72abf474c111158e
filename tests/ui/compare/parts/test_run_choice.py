import pandas as pd

from ui.compare.parts.run_choice import left_out_after, table_key


def test_a_choice_is_kept_by_id_whatever_the_order_of_rows() -> None:
    assert left_out_after(frozenset(), ["a", "b", "c"], ["c", "a"]) == {"b"}
    assert left_out_after(frozenset(), ["c", "b", "a"], ["c", "a"]) == {"b"}


def test_runs_that_are_not_shown_keep_their_place() -> None:
    assert left_out_after({"x", "a"}, ["a", "b"], ["a"]) == {"x", "b"}


def test_whatever_could_reorder_a_sorted_table_makes_another_one() -> None:
    view = pd.DataFrame({"Seed": [0, 1], "Forgetting": [0.5, None]})
    same = table_key(view, ["a", "b"])
    assert same == table_key(view.copy(), ["a", "b"])
    others = [
        table_key(view, ["b", "a"]),
        table_key(view.assign(Forgetting=[0.5, 0.4]), ["a", "b"]),
        table_key(view[["Seed"]], ["a", "b"]),
        table_key(pd.concat([view, view.tail(1)]), ["a", "b", "c"]),
    ]
    assert len({same, *others}) == 5
