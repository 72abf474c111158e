"""The form for a new task: what it asks, and what it says before anything is kept."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from engine.models.choices import EMBEDDED
from engine.models.loading import load_tokenizer
from engine.store import Store
from engine.tasks import load_task
from engine.tasks.library import Library
from tests.pages.test_tasks_page import LINES, labelled, names, opened, press, shown, upload
from ui.server import session
from ui.tasks import library_list, preview
from ui.tasks.form_words import SEPARATORS


@pytest.fixture(autouse=True)
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Library]:
    monkeypatch.setenv("PALIMPSEST_DATA", str(tmp_path))
    monkeypatch.setattr("streamlit.page_link", lambda *_, **__: None)
    preview._tokenizer.clear()
    made = Store(tmp_path)
    monkeypatch.setattr(library_list, "store", lambda: made)
    yield session.library()
    made.close()
    preview._tokenizer.clear()


def test_the_preview_says_which_conversations_the_template_refuses(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokenizer = load_tokenizer(EMBEDDED)
    tokenizer.chat_template = (
        "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system') }}{% endif %}"
        "{{ m.role }}: {{ m.content }}{{ eos_token }}{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}"
    )
    monkeypatch.setattr("engine.models.loading.load_tokenizer", lambda name: tokenizer)
    talk = [{"role": "user", "content": "Well?"}, {"role": "assistant", "content": "Yes."}]
    rows = [{"messages": [{"role": "system", "content": f"Be {n}."}, *talk]} for n in range(9)]
    page = upload(opened(), ("chat.jsonl", "\n".join(map(json.dumps, rows)).encode()))
    assert "Of the documents shown here: 5 conversations are left out" in shown(page)


def test_a_separator_that_is_too_long_is_said_and_does_not_reach_the_library(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SEPARATORS, "-" * 101, "many dashes")  # a test can't type what is no option
    page = upload(opened(), ("qa.jsonl", b'{"question": "a?", "answer": "b"}\n{"question": "c?", "answer": "d"}\n'))
    labelled(page.selectbox, "Between prompt and completion").set_value("-" * 101).run()  # type: ignore[attr-defined]
    assert not page.exception
    assert "separator" in "".join(error.value for error in page.error)
    assert not any(button.label == "Add to the library" for button in page.button)
    labelled(page.selectbox, "Between prompt and completion").set_value(" ").run()  # type: ignore[attr-defined]
    press(page, "Add to the library")
    assert library.tasks()[0].spec().separator == " "


def test_a_name_of_characters_that_cannot_be_seen_is_none(library: Library) -> None:
    page = upload(opened(), ("good.txt", LINES))
    labelled(page.text_input, "Name of the task").input("\u200b\u2060").run()  # type: ignore[attr-defined]
    assert not page.exception
    press(page, "Add to the library")
    assert names(library) == ["good"]
    page = upload(opened(), ("\u200b.txt", LINES))
    assert not page.exception
    press(page, "Add to the library")
    assert "A task needs a name" in shown(page)


def test_a_system_column_of_no_sentences_is_asked_about(library: Library) -> None:
    rows = "".join(f"q{n}?,a{n},Windows\n" for n in range(10))
    for answer, kind in (("No, leave it out", "pairs"), ("Yes", "chat")):
        page = upload(opened(), (f"{kind}.csv", f"question,answer,system\n{rows}".encode()))
        assert "Is 'system' what is said before each conversation?" in shown(page)
        assert not any(button.label == "Add to the library" for button in page.button)
        page.segmented_control(key="tasks_is_system_0").set_value(answer).run()
        assert ("1 column is not used: 'system'." in shown(page)) == (kind == "pairs")
        press(page, "Add to the library")
        assert library.tasks()[-1].kind == kind


def test_columns_that_change_places_keep_what_stands_before_them(library: Library) -> None:
    rows = "".join(f"It is {n}.,Is it {n}?,Be brief.\n" for n in range(10))
    page = upload(opened(), ("qa.csv", f"prompt,completion,system\n{rows}".encode()))
    page.segmented_control(key="tasks_which_prompt_0").set_value("completion").run()
    press(page, "Add to the library")
    turns = load_task(library.tasks()[0].spec()).train[0].turns
    assert [turn.role for turn in turns] == ["system", "user", "assistant"]
    assert turns[1].content.startswith("Is it")


def each_a_task(page: AppTest) -> AppTest:
    labelled(page.segmented_control, "These files are").set_value("A task each").run()  # type: ignore[attr-defined]
    return page


def test_files_that_are_a_task_each_go_into_the_library_together_in_their_order(library: Library) -> None:
    tables = b"\n".join([b"question,answer", *(b"q %d?,a %d" % (n, n) for n in range(40))])
    page = upload(opened(), ("tea.txt", LINES), ("old soups.csv", tables), ("bread_and_butter.txt", LINES))
    assert labelled(page.segmented_control, "These files are").value == "One task"  # type: ignore[attr-defined]
    each_a_task(page)
    next(each for each in page.text_input if "of tea" in each.label).set_value("Green tea").run()
    press(page, "Add 3 tasks to the library")
    assert not page.exception
    assert [task.name for task in library.tasks()] == ["Green tea", "old soups", "bread and butter"]
    assert [task.sources for task in library.tasks()] == [("tea.txt",), ("old soups.csv",), ("bread_and_butter.txt",)]
    alone = load_task(library.tasks()[2].spec())
    assert {document.text for document in alone.train + alone.held_out} <= set(LINES.decode().splitlines())
    assert not any(button.label.startswith("Add 3") for button in page.button), "the form begins anew"


def test_nothing_is_kept_while_one_of_the_files_can_be_no_task(library: Library) -> None:
    page = each_a_task(upload(opened(), ("tea.txt", LINES), ("one.txt", b"a single line")))
    assert "one.txt: all of the text is one document" in shown(page)
    assert not any("to the library" in str(button.label) for button in page.button)


def test_two_files_of_one_name_and_a_name_of_the_library_are_refused_before_anything_is_kept(library: Library) -> None:
    page = upload(opened(), ("tea.txt", LINES))
    press(page, "Add to the library")
    page = each_a_task(upload(page, ("Tea.txt", LINES), ("soup.txt", LINES), ("soup.md", LINES)))
    for name in ("Tea", "soup"):
        assert shown(page).count(f"There is already a task named '{name}'; choose another name.") == 1
    assert [task.name for task in library.tasks()] == ["tea"]
