from ui.run_choice import _key, left_out_after


def test_a_choice_is_kept_by_id_whatever_the_order_of_rows() -> None:
    assert left_out_after(frozenset(), ["a", "b", "c"], ["c", "a"]) == {"b"}
    assert left_out_after(frozenset(), ["c", "b", "a"], ["c", "a"]) == {"b"}


def test_runs_that_are_not_shown_keep_their_place() -> None:
    assert left_out_after({"x", "a"}, ["a", "b"], ["a"]) == {"x", "b"}


def test_other_rows_make_another_table_so_that_no_old_position_is_read_as_a_new_one() -> None:
    assert _key(["a", "b"]) == _key(["a", "b"])
    assert len({_key(["a", "b"]), _key(["b", "a"]), _key(["a", "b", "c"])}) == 3
