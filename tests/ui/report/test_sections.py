"""The sections that the report begins with, and that nothing in them is markup."""

from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from plotly.offline import get_plotlyjs

from engine.insight.kept_results import kept_results
from engine.store import Store
from figures.report import Section
from tests.ui.report.forgetting import EVIL, Forgetting, answered, compared, computed, keep, trained
from ui.compare.report import report
from ui.report.answers_html import answers_html
from ui.report.passages_html import passages_html
from ui.report.sections import sections_of
from ui.report.told_runs import ToldRuns, told_runs


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PALIMPSEST_DATA", str(tmp_path / "data"))


def told(store: Store, folder: Path, **changes: Any) -> ToldRuns:
    found = told_runs(store, compared(store, trained(store, folder, **changes)))
    assert found is not None
    return found


def texts(html: str) -> str:
    """What a reader sees of it."""
    found: list[str] = []
    parser = HTMLParser()
    parser.handle_data = found.append  # type: ignore[method-assign]
    parser.feed(html)
    return "".join(found)


def titled(sections: list[Section], title: str) -> Section:
    return next(section for section in sections if section.title == title)


def test_the_order_of_the_tasks_is_said_where_it_varies(store: Store, tmp_path: Path) -> None:
    words = "learnt the tasks in the order"
    assert words not in sections_of(store, told(store, tmp_path))[0].text
    varied = sections_of(store, told(store, tmp_path, name="varied", orders=[["tea", "bread"], ["bread", "tea"]]))
    assert f"These runs {words} tea → bread." in varied[0].text


def test_each_task_has_what_was_learnt_what_was_lost_and_at_which_stage(store: Store, tmp_path: Path) -> None:
    found = told(store, tmp_path, tasks=("a", "b", "c"))
    section = sections_of(store, found)[0]
    assert section.title == "What was learnt and what was lost"
    assert section.table is not None
    rows = section.table.set_index(["Task", "Run"])
    # 50 tokens on 100 bytes, a nat is 0.7213 bits a byte: naive loses 2 nats of a and 4 of b at every later stage
    assert rows.loc[("a", "Naive"), "Learnt"] == "+1.443"
    assert rows.loc[("a", "Naive"), "Lost since"] == "+2.885"
    assert rows.loc[("a", "Naive"), "Most was lost in"] == "stage 2 (b): +1.443"
    assert rows.loc[("b", "Naive"), "Most was lost in"] == "stage 3 (c): +2.885"
    assert rows.loc[("a", "Replay λ 0.5"), "Lost since"] == "+0.721"
    assert rows.loc[("c", "Naive"), "Lost since"] == "–"
    assert "in the runs of Naive and Replay λ 0.5 with seed 0" in section.text


def test_what_was_not_computed_is_said_plainly(store: Store, tmp_path: Path) -> None:
    found = told(store, tmp_path, tasks=("a", "b", "c"))
    assert found.request is not None
    first, second = found.request.tasks
    assert [section.title for section in sections_of(store, found)][1:] == ["Passages and answers that are not shown"]
    keep(store, first, computed())
    sections = sections_of(store, found)
    assert [section.title for section in sections][1:] == [
        "What was lost of a: passages", "Passages and answers that are not shown",
    ]  # fmt: skip
    assert sections[-1].text.startswith("Those of b were not computed")
    keep(store, second, computed())
    assert not any("not shown" in section.title for section in sections_of(store, found))
    kept_results(store.folder).clear()
    assert sections_of(store, found)[-1].text.startswith("Those of a, b were not computed")


def test_the_passages_stand_side_by_side_and_their_texts_are_no_markup(store: Store, tmp_path: Path) -> None:
    found = told(store, tmp_path)
    assert found.request is not None
    keep(store, found.request.tasks[0], computed())
    section = titled(sections_of(store, found), "What was lost of bread: passages")
    assert "7 of 9 held-out documents scored worse" in section.text
    assert "<script" not in section.body
    assert "<|bos|>" not in section.body
    seen = texts(section.body)
    assert seen.count(f"Q: {EVIL} of bread") == 2
    assert "Held-out document 7" in seen
    assert seen.index("Naivelost 0.500") < seen.index("Replay λ 0.5lost 1.500 bits per byte: 2.000 → 3.500")
    assert seen.count("… 12 tokens after") == 2
    assert "tokens before" not in seen
    assert "Where Naive lost most" in seen


def test_names_of_runs_are_no_markup_either() -> None:
    for made in (passages_html(computed()["passages"], [EVIL] * 2), answers_html(answered()["rows"], [EVIL] * 2)):
        assert "<script" not in made
        assert EVIL in texts(made)


def test_answers_that_became_worse_stand_beside_what_the_other_run_answers(store: Store, tmp_path: Path) -> None:
    found = told_runs(store, compared(store, trained(store, tmp_path, Forgetting(kind="pairs"))))
    assert found is not None
    assert found.request is not None
    keep(store, found.request.tasks[0], computed(answers=answered()))
    section = titled(sections_of(store, found), "What was lost of bread: answers")
    assert "4 held-out questions, answered greedily." in section.text
    assert "Naive: 50\u202f% exactly right after the task's own stage, 25\u202f% at the end" in section.text
    assert "<script" not in section.body
    seen = texts(section.body)
    for part in (
        f"Q: {EVIL}Expected{EVIL}Naive, after the task's own stage{EVIL}✓ exactly right",
        "Naive, at the endwrote nothing✗ not the expected answer",
        f"Replay λ 0.5, at the end{EVIL}✓ exactly right",
    ):
        assert part in seen


def test_answers_that_stayed_or_can_t_be_are_said_to_be_so(store: Store, tmp_path: Path) -> None:
    found = told(store, tmp_path)
    assert found.request is not None
    (task,) = found.request.tasks
    keep(store, task, computed(answers=answered() | {"rows": []}))
    assert "No answer became worse." in titled(sections_of(store, found), "What was lost of bread: answers").text
    kept_results(store.folder).clear()
    keep(store, task, computed(no_answers="Every prompt fills the context."))
    section = titled(sections_of(store, found), "What was lost of bread: answers")
    assert section.text == "Every prompt fills the context."


def test_a_run_alone_has_no_column_of_runs(store: Store, tmp_path: Path) -> None:
    found = told(store, tmp_path, strategies=["naive"])
    assert found.request is not None
    keep(store, found.request.tasks[0], computed(spans=1, answers=answered(spans=1)))
    first, passages, answers = sections_of(store, found)
    assert first.table is not None
    assert "Run" not in first.table.columns
    assert "replay" not in texts(passages.body + answers.body)


def test_without_a_complete_run_there_are_no_sections(store: Store) -> None:
    assert sections_of(store, None) == []


def test_the_report_begins_with_them_names_no_place_and_holds_no_markup_of_the_users(
    store: Store, tmp_path: Path
) -> None:
    evil = "a <img src=x onerror=alert(1)>"
    comparison = compared(store, trained(store, tmp_path, tasks=(evil, "b"), name=EVIL))
    found = told_runs(store, comparison)
    assert found is not None
    assert found.request is not None
    keep(store, found.request.tasks[0], computed(answers=answered()))
    made = report(store, comparison, sections_of(store, found)).replace(get_plotlyjs(), "")
    assert made.index("What was learnt and what was lost") < made.index("<h2>Summary</h2>")
    assert "<img" not in made
    assert "<script>alert" not in made
    assert f"What was lost of {evil}: passages" in texts(made)
    assert str(tmp_path) not in made
