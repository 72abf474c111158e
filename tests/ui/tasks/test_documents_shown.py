from ui.tasks.documents_shown import FEW_CHARACTERS, FEW_LINES, SHOWN_DOCUMENTS, clamped, drawn


def test_five_places_are_drawn_in_order_and_the_same_ones_for_the_same_task_and_turn() -> None:
    first = drawn(1000, "a task", 0)
    assert first == sorted(set(first)) == drawn(1000, "a task", 0)
    assert len(first) == SHOWN_DOCUMENTS
    assert max(first) < 1000
    assert first != drawn(1000, "a task", 1)
    assert first != drawn(1000, "another", 0)


def test_every_place_may_be_drawn_and_few_documents_are_all_shown() -> None:
    assert {place for turn in range(100) for place in drawn(12, "a task", turn)} == set(range(12))
    assert drawn(3, "a task", 7) == [0, 1, 2]
    assert drawn(0, "a task", 0) == []


def test_a_long_document_is_cut_by_lines_or_by_characters_and_says_how_much_is_left_out() -> None:
    assert clamped([("short", True)], FEW_CHARACTERS, FEW_LINES) == [("short", True)]
    lines = "\n".join("abcdefgh")
    assert clamped([(lines, True)], 400, 5) == [("a\nb\nc\nd\ne", True), ("\n… and 6 more characters", False)]
    assert clamped([(lines, True)], 400, None) == [(lines, True)]
    prompt, answer = ("x" * 30, False), ("y" * 1000, True)
    assert clamped([prompt, answer], 40, 5) == [prompt, ("y" * 10, True), ("\n… and 990 more characters", False)]
