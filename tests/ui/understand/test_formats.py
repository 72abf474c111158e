from engine.insight.requests import Prompt
from ui.understand.formats import CHAT, TEXT, formats_of

PAIRS = {"kind": "pairs", "separator": " =>", "chat_template": None}


def test_where_all_tasks_are_pairs_their_separator_is_usual() -> None:
    formats, usual = formats_of([{"name": "qa"} | PAIRS, {"name": "more"} | PAIRS])
    assert usual.title == "Prompt as in task qa"
    assert usual.prompt("What?") == Prompt("What? =>")
    assert usual.prompt("What? =>") == Prompt("What? =>")
    assert TEXT in formats
    assert CHAT in formats


def test_mixed_tasks_and_unknown_ones_begin_with_text() -> None:
    assert formats_of([{"name": "qa"} | PAIRS, {"name": "prose", "kind": "text"}])[1] == TEXT
    assert formats_of([]) == ([TEXT, CHAT], TEXT)
    assert TEXT.prompt("as it is\n") == Prompt("as it is\n")


def test_conversations_and_pairs_rendered_as_such_are_asked_as_chat_turns() -> None:
    chat = {"name": "talk", "kind": "chat", "chat_template": "plain"}
    assert formats_of([chat, {"name": "qa"} | PAIRS | {"chat_template": "plain"}])[1] == CHAT
    assert CHAT.prompt("Hello") == Prompt("Hello", chat=True)
