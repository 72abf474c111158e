"""Where answers begin and end, held against rendering and tokenising every beginning of a conversation anew."""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.tasks.documents import Turn
from engine.tasks.documents.conversations import to_messages
from engine.tokens import chat_text
from engine.tokens.chat_templates import ChatTemplate, Rendered
from engine.tokens.chat_text import ChatText
from tests.tokens.test_chat_templates import CHATML, MARKED, SHORTENS_EARLIER, TALK, WORDS, render, tokenizer

ENDS_WITHIN = (
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' }}{% if m.role == 'assistant' %}"
    "{% generation %}{{ m.content + '<|im_end|>\n' }}{% endgeneration %}"
    "{% else %}{{ m.content + '<|im_end|>\n' }}{% endif %}{% endfor %}"
)
WORDS_ALONE = (
    "{% for m in messages %}{{ 'Q: ' + m.content + '\n' if m.role == 'user' }}"
    "{% if m.role == 'assistant' %}{{ 'A: ' }}{% generation %}{{ m.content + eos_token }}{% endgeneration %}"
    "{% endif %}{% endfor %}"
)
BLANK_HEADS = CHATML.replace("'\n' + m.content", "'\n\n' + m.content").replace("assistant\n", "assistant\n\n")
FROM_PIECES = "{% for m in messages %}{{ '<|' + m.role + '|>' + m.content + eos_token }}{% endfor %}" + (
    "{{ '<|assistant|>' if add_generation_prompt }}"
)


def test_an_end_of_turn_within_the_generation_marks_is_the_last_thing_learnt() -> None:
    found = tokenizer(ENDS_WITHIN)
    one = render(found, TALK)
    assert [found.decode(one.ids[start:end]) for _, start, end in one.answers] == [
        "Hi! How can I help?<|im_end|>\n", "See you.<|im_end|>\n"
    ]  # fmt: skip
    assert found.decode(one.ids[one.learnt]) == "Hi! How can I help?<|im_end|>\nSee you.<|im_end|>\n"


@pytest.mark.parametrize("template", [MARKED, ENDS_WITHIN, WORDS_ALONE])
def test_a_control_token_in_a_content_leaves_the_generation_marks_as_they_are(template: str) -> None:
    found = tokenizer(template)
    one = render(found, (Turn("user", "what is <|im_end|>?"), Turn("assistant", "the <|im_end|>\nmark")))
    (text,) = [found.decode(one.ids[start:end]) for _, start, end in one.answers]
    assert text.strip() in ("the <|im_end|>\nmark<|im_end|>", "the <|im_end|>\nmark<|endoftext|>")
    assert one.written[0].startswith("the <|im_end|>\nmark")


def test_added_tokens_that_a_template_builds_from_pieces_stay_text_in_a_content() -> None:
    found = tokenizer(FROM_PIECES)
    found.add_tokens(["<|user|>", "<|assistant|>", "<table>"])
    one = render(found, (Turn("user", "say <|user|> <table>"), Turn("assistant", "<|assistant|>x")))
    counted = {token: one.ids.tolist().count(found.convert_tokens_to_ids(token)) for token in found.get_added_vocab()}
    assert (counted["<|user|>"], counted["<|assistant|>"], counted["<table>"]) == (1, 1, 1)
    found.chat_control_tokens = ["<|user|>"]
    one = render(found, (Turn("user", "say <|user|>"), Turn("assistant", "<|assistant|>x")))
    assert one.ids.tolist().count(found.convert_tokens_to_ids("<|assistant|>")) == 2  # its maker left that one out


def of_every_beginning(found: Any, turns: Sequence[Turn]) -> tuple[list[int], list[tuple[int, int, int]]]:
    """Token ids and spans from whole renderings, each tokenised from its first character."""

    def ids(turns: Sequence[Turn], for_answer: bool) -> list[int]:
        return list(
            found.apply_chat_template(
                to_messages(turns), add_generation_prompt=for_answer, return_dict=False, sanitize_control_tokens=True
            )
        )

    whole, spans = ids(turns, False), []
    for number, turn in enumerate(turns):
        if not turn.is_answer or not number:
            continue
        before, through = ids(turns[:number], True), ids(turns[: number + 1], False)
        if whole[: len(before)] == before and whole[: len(through)] == through and len(through) > len(before):
            spans.append((number, len(before), len(through)))
    return whole, spans


PREFIXED = {template: tokenizer(template) for template in (CHATML, SHORTENS_EARLIER, BLANK_HEADS, FROM_PIECES)}
FEW = st.lists(
    st.tuples(st.sampled_from(["user", "assistant", "tool"]), WORDS, st.booleans()), min_size=1, max_size=7
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(FEW, st.sampled_from(list(PREFIXED)))
def test_spans_are_those_of_every_beginning_rendered_and_tokenised_anew(
    drawn: list[tuple[str, str, bool]], template: str
) -> None:
    turns = tuple(Turn(role, text, given=role == "assistant" and given) for role, text, given in drawn)
    ids, spans = of_every_beginning(PREFIXED[template], turns)
    (one,) = ChatTemplate(PREFIXED[template], "auto").render([turns])
    assert isinstance(one, str) == (not spans)
    if isinstance(one, Rendered):
        assert one.ids.tolist() == ids
        assert list(one.answers) == spans
        learnt = {place for _, start, end in spans for place in range(start, end)}
        assert set(np.flatnonzero(one.learnt).tolist()) == learnt


def test_marked_tokens_have_the_places_of_their_characters() -> None:
    found = tokenizer(CHATML)
    text = "caf\u00e9 <|im_end|> and\n<|im_start|>x \U0001f642"
    (whole,) = ChatText(found, CHATML).wholes([[Turn("user", text)]])
    assert isinstance(whole, chat_text.Whole)
    assert whole.places is not None
    for token, (start, end) in zip(whole.ids.tolist(), whole.places.tolist(), strict=True):
        spelled = found.decode([token])
        if "\ufffd" not in spelled and "|" not in spelled:
            assert spelled in whole.text[start:end]


def test_the_tokens_of_a_conversation_are_the_same_on_every_day(monkeypatch: pytest.MonkeyPatch) -> None:
    template = "{{ 'Today: ' + strftime_now('%d %b %Y, %-H:%M, 100%%') + '\n' }}" + CHATML
    dated = ChatTemplate(tokenizer(template), "auto")
    assert dated.is_dated
    assert not ChatTemplate(tokenizer(CHATML), "auto").is_dated
    (one,) = dated.render([TALK])
    assert isinstance(one, Rendered)
    assert tokenizer(template).decode(one.ids).startswith("Today: 26 Jul 2024, 0:00, 100%\n<|im_start|>system")


@pytest.mark.parametrize("code", "aAwdbBmyYHIpMSfjUWcxX")
def test_every_directive_of_a_date_is_that_of_the_fixed_one(code: str) -> None:
    chat = ChatText(tokenizer(CHATML), f"{{{{ strftime_now('%{code}') }}}}")
    assert chat.written([])[0] == datetime(2024, 7, 26).strftime(f"%{code}")


def test_a_long_conversation_is_tokenised_once(monkeypatch: pytest.MonkeyPatch) -> None:
    found = tokenizer(CHATML)
    turns = [turn for n in range(60) for turn in (Turn("user", f"ask {n}"), Turn("assistant", f"answer {n}"))]
    given: list[int] = []
    real = ChatText.encode

    def counting(self: ChatText, texts: Any, with_places: bool = False) -> Any:
        given.extend(len(text) for text, _ in texts)
        return real(self, texts, with_places)

    monkeypatch.setattr(ChatText, "encode", counting)
    one = render(found, turns)
    assert len(one.answers) == 60
    whole = len(re.sub(r"\s+$", "", found.decode(one.ids)))
    assert sum(given) < 3 * whole
