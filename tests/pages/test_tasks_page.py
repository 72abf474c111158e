"""The Tasks page in every state: empty, with samples, with good, bad and half-good uploads, pasted text, the list."""

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from engine.experiments.experiment import Experiment, StrategySpec
from engine.store import Store
from engine.tasks import Document, Task, load_task
from engine.tasks.library import Library, LibraryTask
from ui.server import session
from ui.tasks import library_list, preview

APP = str(Path(__file__).parents[2] / "pages" / "tasks.py")
LINES = b"one line\nanother line\na third line\na fourth line\n"


class Words:
    """A tokenizer of one token a word."""

    def __call__(self, texts: list[str], **options: object) -> dict[str, list[list[int]]]:
        return {"input_ids": [[0] * len(text.split()) for text in texts]}


@pytest.fixture(autouse=True)
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Library]:
    monkeypatch.setenv("PALIMPSEST_DATA", str(tmp_path))
    monkeypatch.setattr("engine.models.loading.load_tokenizer", lambda name: Words())
    # a link needs the pages of the whole app, which a test of one page doesn't have
    monkeypatch.setattr("streamlit.page_link", lambda *_, **__: None)
    preview._tokenizer.clear()
    made = Store(tmp_path)
    monkeypatch.setattr(library_list, "store", lambda: made)
    yield session.library()
    made.close()


def opened() -> AppTest:
    page = AppTest.from_file(APP, default_timeout=300).run()
    assert not page.exception
    return page


def upload(page: AppTest, *files: tuple[str, bytes], side: int = 0) -> AppTest:
    page.file_uploader[side].set_value([(name, data, "") for name, data in files]).run()
    assert not page.exception
    return page


def labelled(elements: object, label: str) -> object:
    return next(e for e in elements if e.label == label)  # type: ignore[attr-defined]


def press(page: AppTest, label: str) -> AppTest:
    labelled(page.button, label).click().run()  # type: ignore[attr-defined]
    assert not page.exception
    return page


def shown(page: AppTest) -> str:
    """All text of the page, its Markdown escapes taken off."""
    elements = (page.markdown, page.caption, page.error, page.warning, page.info, page.code)
    return "\n".join(str(e.value) for kind in elements for e in kind).replace("\\", "")


def shaded(page: AppTest) -> str:
    """The HTML of the previews."""
    return "\n".join(str(element.proto.body) for element in page.get("html"))


def kept(library: Library, *names: str) -> list[LibraryTask]:
    documents = (Document("one"), Document("two"))
    return [library.add(Task(name, documents, (Document("three"),))) for name in names]


def names(library: Library) -> list[str]:
    return [task.name for task in library.tasks()]


def test_an_empty_library_says_what_to_do_and_offers_the_samples() -> None:
    page = opened()
    assert "There are no tasks yet. Take two or more of the samples" in shown(page)
    assert [b.label for b in page.button] == ["Add", "Add", "Add", "Add", "Add all 4"]


def test_all_samples_are_added_with_one_click(library: Library) -> None:
    page = press(opened(), "Add all 4")
    assert names(library) == ["Customer support", "Search answers", "House style", "Chinese library notes"]
    assert [b.label for b in page.button].count("In the library") == 4
    assert load_task(library.tasks()[3].spec()).train


def test_an_uploaded_table_is_recognised_previewed_and_kept(library: Library) -> None:
    rows = "".join(f'"question {i};\r\nsecond line";label\r\n' for i in range(20))
    page = upload(opened(), ("my_tickets.csv", f"text;label\r\n{rows}".encode()))
    assert "CSV table, 20 rows × 2 columns between semicolons" in shown(page)
    assert labelled(page.selectbox, "Text column").value == "text"  # type: ignore[attr-defined]
    assert "**18 documents** to train on and **2** held out." in shown(page)
    assert any(code.value.endswith("\nsecond line") for code in page.code)
    press(page, "Add to the library")
    assert names(library) == ["my tickets"]
    assert library.tasks()[0].sources == ("my_tickets.csv",)
    assert "my tickets" in shown(page)
    assert not any(b.label == "Remove" for b in page.button)


def test_one_bad_file_costs_neither_the_others_nor_what_was_entered(library: Library) -> None:
    page = upload(opened(), ("good.txt", LINES))
    labelled(page.text_input, "Name of the task").input("my name").run()  # type: ignore[attr-defined]
    upload(page, ("photo.txt", b"\x89PNG\r\n\x1a\n"), ("broken.jsonl", b'{"text": "whole"}\n{"text": \n'))
    assert "photo.txt: this is a picture; upload text." in shown(page)
    assert "broken.jsonl: 1 row was left out: " in shown(page)
    assert "(line 2)" in shown(page)
    assert labelled(page.text_input, "Name of the task").value == "my name"  # type: ignore[attr-defined]
    press(page, "Add to the library")
    assert names(library) == ["my name"]
    assert library.tasks()[0].sources == ("good.txt", "broken.jsonl")


def test_only_bad_files_leave_a_way_on() -> None:
    page = upload(opened(), ("empty.txt", b""))
    assert "empty.txt: the file is empty" in shown(page)
    assert "None of this can be used yet" in shown(page)
    press(page, "Remove")
    assert "empty.txt" not in shown(page)


def test_a_name_that_is_taken_is_refused_and_nothing_is_lost(library: Library) -> None:
    kept(library, "notes")
    page = press(upload(opened(), ("notes.txt", LINES)), "Add to the library")
    assert "There is already a task named 'notes'; choose another name." in shown(page)
    assert "notes.txt" in shown(page)
    labelled(page.text_input, "Name of the task").input("other notes").run()  # type: ignore[attr-defined]
    press(page, "Add to the library")
    assert names(library) == ["notes", "other notes"]


def test_a_text_too_small_to_hold_out_anything_says_what_to_do() -> None:
    page = upload(opened(), ("one.txt", b"only one document"))
    assert "one.txt: all of the text is one document, so nothing can be held out; cut it" in shown(page)
    assert not any(b.label == "Add to the library" for b in page.button)


def test_a_guessed_encoding_is_shown_and_can_be_changed() -> None:
    page = upload(opened(), ("a.txt", "süß\nschön\nnaß\n".encode("latin-1")))
    assert "was read as **Latin-1 (Western)** because of its single accented letters" in shown(page)
    labelled(page.selectbox, "Encoding").set_value("windows-1251").run()  # type: ignore[attr-defined]
    assert "was read as" not in shown(page)
    assert any("я" in code.value or "ь" in code.value for code in page.code)


def test_a_table_can_be_read_another_way_and_back() -> None:
    page = upload(opened(), ("fruit.csv", b"apple,pear\nplum,cherry\nfig,grape\nlime,date\n"))
    assert "The first row (apple, pear) was taken for the names of the columns" in shown(page)
    choice = labelled(page.selectbox, "Reading")
    assert choice.options == [  # type: ignore[attr-defined]
        "3 rows × 2 columns, commas between, first row is a header", "4 rows × 2 columns, commas between, no header",
        "4 rows × 1 column, no header",
    ]  # fmt: skip
    choice.set_value(1).run()  # type: ignore[attr-defined]
    assert not page.exception
    assert "CSV table, 4 rows × 2 columns between commas" in shown(page)
    assert "was taken for" not in shown(page)
    assert labelled(page.selectbox, "Text column").options == ["column 1", "column 2"]  # type: ignore[attr-defined]
    labelled(page.selectbox, "Reading").set_value(2).run()  # type: ignore[attr-defined]
    assert "CSV table, 4 rows × 1 column" in shown(page)
    labelled(page.selectbox, "Reading").set_value(0).run()  # type: ignore[attr-defined]
    assert "CSV table, 3 rows × 2 columns between commas" in shown(page)
    assert len(labelled(page.selectbox, "Reading").options) == 3  # type: ignore[attr-defined]


def test_another_encoding_voids_the_chosen_reading() -> None:
    page = upload(opened(), ("a.csv", "text;n\nsüß;1\nschön;2\nnaß;3\n".encode("latin-1")))
    labelled(page.selectbox, "Reading").set_value(1).run()  # type: ignore[attr-defined]
    assert "CSV table, 4 rows" in shown(page)
    labelled(page.selectbox, "Encoding").set_value("windows-1251").run()  # type: ignore[attr-defined]
    assert not page.exception
    assert "CSV table, 3 rows" in shown(page)
    assert labelled(page.selectbox, "Reading").value == 0  # type: ignore[attr-defined]


def test_front_matter_is_left_out_with_a_word_and_can_be_learnt() -> None:
    front, body = "---\ntitle: Soup\n---\n", "Boil it.\n\nServe it.\n\nEat it.\n"
    page = upload(opened(), ("a.md", (front + body).encode()))
    assert "The front matter (the settings at the top of a Markdown file) is left out" in shown(page)
    assert f"Markdown, {len(body)} characters" in shown(page)
    labelled(page.checkbox, "Learn the front matter, too").check().run()  # type: ignore[attr-defined]
    assert not page.exception
    assert "is left out" not in shown(page)
    assert f"Markdown, {len(front + body)} characters" in shown(page)
    labelled(page.checkbox, "Learn the front matter, too").uncheck().run()  # type: ignore[attr-defined]
    assert f"Markdown, {len(body)} characters" in shown(page)


def test_a_remark_on_many_files_of_an_archive_is_said_once() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for number in range(9):
            archive.writestr(f"{number}.md", f"---\ntitle: x\n---\nText {number}.\n")
    page = upload(opened(), ("notes.zip", file.getvalue()))
    assert shown(page).count("The front matter") == 1
    assert "notes.zip/0.md, notes.zip/1.md, notes.zip/2.md and 6 more: The front matter" in shown(page)


@pytest.mark.parametrize("name", ["a.docx", "a.pdf", "a.ipynb", "photo.png"])
def test_any_ending_is_taken_and_refused_in_a_sentence_on_the_page(name: str) -> None:
    page = opened()
    assert not page.file_uploader[0].allowed_type
    upload(page, (name, b"PK\x03\x04 whatever"))
    assert f"{name}: this is a" in shown(page)
    assert "which can't be read; " in shown(page)


def test_code_and_pages_are_read_as_text() -> None:
    page = upload(opened(), ("a.py", b"x = 1\n\ny = 2\n"), ("b.html", b"<p>one</p><p>two</p>"))
    assert "**3 documents** to train on and **1** held out." in shown(page)
    assert any(code.value == "x = 1" for code in page.code)


def test_the_split_shows_its_counts_and_changes_the_preview() -> None:
    page = upload(opened(), ("a.txt", b"one\ntwo\n\nthree\nfour\n\nfive\nsix\n"))
    split = labelled(page.selectbox, "Where documents end")
    assert split.options == [  # type: ignore[attr-defined]
        "Automatic (at blank lines): 3 documents", "At two blank lines: 1 document", "At blank lines: 3 documents",
        "Each line: 6 documents", "Each file: 1 document",
    ]  # fmt: skip
    split.set_value("line").run()  # type: ignore[attr-defined]
    assert "**5 documents** to train on and **1** held out." in shown(page)


def test_prompt_and_completion_are_guessed_and_previewed_apart(library: Library) -> None:
    rows = "".join(f'{{"question": "q{i}?", "answer": " a{i}"}}\n' for i in range(10))
    page = upload(opened(), ("qa.jsonl", rows.encode()))
    assert labelled(page.multiselect, "Prompt columns").value == ["question"]  # type: ignore[attr-defined]
    assert labelled(page.selectbox, "Completion column").value == "answer"  # type: ignore[attr-defined]
    assert "q3?\n</span>" in shaded(page)
    labelled(page.selectbox, "Between prompt and completion").set_value(" ").run()  # type: ignore[attr-defined]
    assert "q3? </span>" in shaded(page)
    press(page, "Add to the library")
    (task,) = library.tasks()
    assert (task.kind, task.spec().separator, task.unused_columns) == ("pairs", " ", ())


def test_conversations_are_rendered_and_shown_in_two_shades(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("PALIMPSEST_DATA", str(library.folder.parent))
    monkeypatch.setattr("streamlit.page_link", lambda *_, **__: None)
    rows = [{"id": n, "messages": [{"role": "user", "content": f"<b>Is {n} even?"},
             {"role": "assistant", "content": "yes" if n % 2 == 0 else "no"}]} for n in range(10)]  # fmt: skip
    page = upload(opened(), ("chat.jsonl", "\n".join(map(json.dumps, rows)).encode()))
    assert page.segmented_control(key="tasks_kind3_0").value == "Conversations"
    assert "1 column is not used: 'id'." in shown(page)
    assert "9 documents to train on" in shown(page).replace("*", "")
    assert "&lt;b&gt;Is 0 even?" in shaded(page)
    assert ">yes&lt;|endoftext|&gt;</span>" in shaded(page)
    press(page, "Add to the library")
    assert library.tasks()[0].kind == "chat"


def test_columns_the_wrong_way_round_are_asked_about(library: Library) -> None:
    rows = "".join(f"It is {n}.,Is it {n}?\n" for n in range(10))
    page = upload(opened(), ("qa.csv", f"prompt,completion\n{rows}".encode()))
    assert "most cells of 'completion' are questions" in shown(page)
    assert not any(button.label == "Add to the library" for button in page.button)
    page.segmented_control(key="tasks_which_prompt_0").set_value("completion").run()
    press(page, "Add to the library")
    assert {document.prompt for document in load_task(library.tasks()[0].spec()).train} <= {
        f"Is it {n}?" for n in range(10)
    }


def test_a_sentence_becomes_a_task_that_is_scored_on_itself_with_one_click(library: Library) -> None:
    page = opened()
    page.segmented_control(key="tasks_way_0").set_value("Paste text").run()
    labelled(page.text_area, "Text to train on").input("All is well.\nAll is well.").run()  # type: ignore[attr-defined]
    assert "all 2 documents are the same text" in shown(page)
    press(page, "Score it on its own training text")
    assert "nothing is held out" in shown(page)
    labelled(page.text_input, "Name of the task").input("proverb").run()  # type: ignore[attr-defined]
    press(page, "Add to the library")
    assert library.tasks()[0].spec().held_out == "train"
    assert "scored on its training text" in shown(page)


def test_held_out_files_take_the_place_of_the_share() -> None:
    page = upload(opened(), ("train.txt", LINES))
    page.segmented_control(key="tasks_held_out_0").set_value("Files of their own").run()
    assert "Add the held-out files above" in shown(page)
    upload(page, ("test.txt", b"another line\na new line\n"), side=1)
    assert "**3 documents** to train on and **2** held out." in shown(page)
    assert "1 training document was left out because the held-out text has it too." in shown(page)


def test_pasted_text_becomes_a_task(library: Library) -> None:
    page = opened()
    page.segmented_control(key="tasks_way_0").set_value("Paste text").run()
    labelled(page.text_area, "Text to train on").input("a <|endoftext|> b\n\nsecond\n\nthird").run()  # type: ignore[attr-defined]
    press(page, "Add to the library")
    assert "A task needs a name of 1 to 80 characters; type one." in shown(page)
    labelled(page.text_input, "Name of the task").input("pasted").run()  # type: ignore[attr-defined]
    press(page, "Add to the library")
    task = load_task(library.tasks()[0].spec())
    assert "a <|endoftext|> b" in {d.text for d in task.train + task.held_out}


def test_text_that_looks_like_markup_is_printed_as_it_is() -> None:
    page = upload(opened(), ("**x** <b>$y$.txt", LINES))
    assert any(r"\*\*x\*\* \<b\>\$y\$\.txt" in str(m.value) for m in page.markdown)


def test_tasks_are_ordered_renamed_and_deleted_from_the_list(library: Library) -> None:
    first, second = kept(library, "first", "second")
    page = opened()
    page.button(key=f"tasks_down_{first.task_id}").click().run()
    assert names(library) == ["second", "first"]
    page.text_input(key=f"tasks_rename_{first.task_id}").input("renamed").run()
    page.button(key=f"tasks_rename_{first.task_id}_save").click().run()
    assert names(library) == ["second", "renamed"]
    page.button(key=f"tasks_delete_{second.task_id}").click().run()
    assert not page.exception
    assert names(library) == ["renamed"]
    assert not second.folder.exists()


def test_a_task_that_an_experiment_names_keeps_its_files_when_deleted(library: Library) -> None:
    (used,) = kept(library, "used")
    library_list.store().add_experiment(
        Experiment(name="e", tasks=(used.spec(),), strategies=(StrategySpec(name="naive"),))
    )
    page = opened()
    page.button(key=f"tasks_delete_{used.task_id}").click().run()
    assert names(library) == []
    assert load_task(used.spec()).train


def test_the_preview_of_a_kept_task_opens_and_closes(library: Library) -> None:
    (task,) = kept(library, "mine")
    page = opened()
    page.button(key=f"tasks_preview_{task.task_id}").click().run()
    assert not page.exception
    assert [metric.value for metric in page.metric] == ["2", "6\u202fbytes", "2"]
    assert "**Scripts seen:** Latin 100\u202f%" in shown(page)
    press(page, "Close")
    assert not page.metric
