"""Documents to tokens: separators, masks, and what keeps to one block."""

import contextlib
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.common.errors import ModelError
from engine.models.loading import LoadedModel, load_base
from engine.tasks.documents import Document, Kind, Turn
from engine.tasks.documents.conversations import NoConversationError, check_turns
from engine.tasks.spec import TaskSpec
from engine.tokens.blocks import IGNORED, cut
from engine.tokens.document_encoding import Tokenisation, make_rendering
from engine.tokens.encoded_documents import EncodedDocuments, encode_with
from engine.tokens.encoding_remarks import remarks_on
from engine.tokens.packing import pack_documents
from tests.tokens.test_chat_templates import CHATML, MARKED, SHORTENS_EARLIER, tokenizer


@pytest.fixture(scope="module")
def base() -> LoadedModel:
    return load_base("tiny-gpt2")


def rendering(base: LoadedModel, kind: Kind, block_size: int = 256, **fields: Any) -> Tokenisation:
    spec = TaskSpec(name="t", train="t.jsonl", **fields)
    return make_rendering(base.tokenizer, base.bos, base.eos, kind, spec, block_size)


def encoded(base: LoadedModel, kind: Kind, documents: Sequence[Document], block_size: int = 256, **fields: Any) -> Any:
    found = rendering(base, kind, block_size, **fields)
    return encode_with(found.encoder, documents), remarks_on(found.encoder.counts)


def ids(base: LoadedModel, text: str) -> list[int]:
    return list(base.tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"])


def read_and_learnt(base: LoadedModel, one: Any) -> tuple[str, str]:
    return base.tokenizer.decode(one.token_ids[~one.mask]), base.tokenizer.decode(one.token_ids[one.mask])


PAIR = Document("four tonnes", "How heavy is it?")


def test_the_separator_belongs_to_the_prompt_and_the_answer_is_tokenised_apart(base: LoadedModel) -> None:
    (one,), remarks = encoded(base, "pairs", [PAIR])
    prompt, text = ids(base, "How heavy is it?\n"), ids(base, "four tonnes")
    assert one.token_ids.tolist() == [base.bos, *prompt, *text, base.eos]
    assert (one.first_target, one.text_bytes, remarks) == (1 + len(prompt), 11, ())
    (other,), _ = encoded(base, "pairs", [PAIR], separator=" => ")
    assert read_and_learnt(base, other) == ("<|endoftext|>How heavy is it? => ", "four tonnes<|endoftext|>")
    (before,), _ = encoded(base, "pairs", [PAIR], separator="", beyond_block="continue")
    assert before.token_ids.tolist() == [base.bos, *ids(base, "How heavy is it?"), *text, base.eos]


def test_a_document_without_a_prompt_gets_no_separator(base: LoadedModel) -> None:
    (one,), _ = encoded(base, "pairs", [Document("four tonnes")])
    assert one.token_ids.tolist() == [base.bos, *ids(base, "four tonnes"), base.eos]


def test_another_separator_template_or_block_is_another_rendering(base: LoadedModel) -> None:
    keys = [
        rendering(base, "pairs").key, rendering(base, "pairs", separator=" ").key, rendering(base, "pairs", 128).key,
        rendering(base, "pairs", separator="", beyond_block="continue").key, rendering(base, "chat").key,
        rendering(base, "chat", learn="all").key, rendering(base, "pairs", template="plain").key + "pairs",
    ]  # fmt: skip
    assert len(set(keys)) == len(keys)
    assert rendering(base, "text").key == ""
    assert rendering(base, "pairs", separator="", beyond_block="continue").key == ""


def test_no_completion_is_learnt_without_its_prompt_whatever_its_length(base: LoadedModel) -> None:
    documents = [
        Document("a " * n + "end", "Q " * m + "ask?") for n in (1, 5, 20, 60) for m in (1, 5, 20, 60)
    ]  # fmt: skip
    block = 32
    found, remarks = encoded(base, "pairs", documents, block)
    for one, document in zip(found, documents, strict=True):
        pieces = cut(one, block)
        assert len(pieces) == 1
        read, learnt = read_and_learnt(base, one)
        assert document.prompt.endswith(read.removeprefix("<|endoftext|>").removesuffix("\n"))
        assert "ask?" in read
        whole = learnt.endswith("<|endoftext|>")
        assert document.text.startswith(learnt.removesuffix("<|endoftext|>"))
        assert one.text_bytes == len(learnt.removesuffix("<|endoftext|>").encode())
        short = len(ids(base, document.prompt + "\n")) + len(ids(base, document.text)) + 2 <= block + 1
        assert (len(one.token_ids) == block + 1) or short
        assert whole or len(ids(base, document.text)) + 1 > block // 2
    assert len(remarks) == 2
    assert "prompts are longer than the block allows; their beginnings are left out." in remarks[0]
    assert "completions are longer than the block allows; their ends are left out." in remarks[1]


def talk(*turns: tuple[str, str]) -> Document:
    return Document.conversation(tuple(Turn(role, content) for role, content in turns))


EXCHANGES = [("user", f"question {n} about things") for n in range(6)], [("assistant", f"answer {n}") for n in range(6)]
LONG = talk(("system", "Be kind."), *(turn for both in zip(*EXCHANGES, strict=True) for turn in both))


def test_of_a_long_conversation_the_oldest_turns_go_and_the_system_turn_stays(base: LoadedModel) -> None:
    (whole,), _ = encoded(base, "chat", [LONG])
    assert read_and_learnt(base, whole)[1].count("answer") == 6
    fewest = len(whole.token_ids)
    for block in (fewest - 1, fewest - 2, 80, 60, 45):
        (one,), remarks = encoded(base, "chat", [LONG], block)
        read, learnt = read_and_learnt(base, one)
        assert len(one.token_ids) <= block + 1
        assert "Be kind." in read
        kept = learnt.count("answer")
        assert kept == read.count("question")
        assert learnt.split("<|endoftext|>")[0] == f"answer {6 - kept}"
        assert one.text_bytes == sum(len(f"answer {n}") for n in range(6 - kept, 6))
        if kept < 6:
            (one_more,), _ = encoded(base, "chat", [talk(("system", "Be kind."), *((t.role, t.content)
                for t in LONG.turns[-2 * (kept + 1):]))])  # fmt: skip
            assert len(one_more.token_ids) > block + 1  # no more had to go than this
            turns = 2 * (6 - kept)
            assert remarks == (
                f"1 conversation is longer than the block; the oldest turns, {turns} turns in all, are left out.",
            )


def test_an_answer_too_long_for_the_block_is_cut_and_a_question_that_fills_it_is_left_out(base: LoadedModel) -> None:
    documents = [talk(("user", "short?"), ("assistant", "long " * 60)),
                 talk(("user", "long " * 60), ("assistant", "x")),
                 talk(("user", "ok?"), ("assistant", "ok"))]  # fmt: skip
    found, remarks = encoded(base, "chat", documents, 32)
    assert len(found) == 2
    read, learnt = read_and_learnt(base, found[0])
    assert len(found[0].token_ids) == 33
    assert "short?" in read
    assert found[0].text_bytes == len(learnt)
    assert remarks == (
        "1 answer is longer than the block allows; its end is left out.",
        "1 conversation is left out: its question alone fills the block.",
    )


def test_all_turns_are_learnt_where_that_is_chosen(base: LoadedModel) -> None:
    (one,), _ = encoded(base, "chat", [LONG], learn="all")
    assert one.mask.tolist() == [False] + [True] * (len(one.token_ids) - 1)
    assert one.text_bytes == sum(len(turn.content) for turn in LONG.turns)


CALL = '{"tool_calls": [{"type": "function", "function": {"name": "add", "arguments": {"a": 1}}}]}'
NO_TOOLS = CHATML.replace("{{ '<|im_start|>'", "{% if m.role in ('user', 'assistant') %}{{ '<|im_start|>'").replace(
    "{% endfor %}", "{% endif %}{% endfor %}"
)
DROPS_THOUGHTS = CHATML.replace("m.content", "m.content.split('</think>')[-1]")


def by_template(template: str, turns: Sequence[Turn], block_size: int = 256, **fields: Any) -> Any:
    spec = TaskSpec(name="t", train="t.jsonl", **fields)
    made = make_rendering(tokenizer(template), 0, 0, "chat", spec, block_size)
    return encode_with(made.encoder, [Document.conversation(tuple(turns))]), remarks_on(made.encoder.counts)


@pytest.mark.parametrize("learn", ["assistant", "all"])
def test_bytes_are_those_of_what_the_template_writes_of_an_answer(learn: str) -> None:
    turns = (Turn("user", "ask?"), Turn("assistant", "<think>a long thought</think>four"))
    (one,), remarks = by_template(DROPS_THOUGHTS, turns, learn=learn)
    assert one.text_bytes == (len("four") if learn == "assistant" else len("ask?four"))
    assert remarks == (
        "1 turn is left out or changed by the chat template; what it does not write is neither read nor learnt.",
    )


def test_turns_that_a_template_has_no_branch_for_are_counted_though_their_words_stand_elsewhere() -> None:
    turns = (Turn("system", "ask"), Turn("user", "ask"), Turn("assistant", "x"), Turn("tool", "2"),
             Turn("assistant", "2"))  # fmt: skip
    for learn, size in (("assistant", 2), ("all", 5)):
        (one,), remarks = by_template(NO_TOOLS, turns, learn=learn)
        assert one.text_bytes == size
        assert remarks == (
            "2 turns are left out or changed by the chat template; what it does not write is neither read nor learnt.",
        )


def test_keys_that_a_template_does_not_name_are_said(base: LoadedModel) -> None:
    more = '{"name": "Ann", "thinking": "hm"}'
    turns = (Turn("user", "ask?", '{"name": "Bo"}'), Turn("assistant", "four", more))
    (one,), remarks = encoded(base, "chat", [Document.conversation(turns)])
    assert one.text_bytes == 4
    assert remarks == (
        "2 messages have 'name', which the chat template does not write.",
        "1 message has 'thinking', which the chat template does not write.",
    )
    written = CHATML.replace("m.content", "(m.reasoning_content or '') + m.content + (m.name or '')")
    assert by_template(written, turns)[1] == ()


def test_a_conversation_learnt_whole_has_the_bytes_of_its_tool_calls_and_leaves_none_out(base: LoadedModel) -> None:
    turns = (Turn("assistant", "Welcome!"), Turn("user", "1+1?"), Turn("assistant", "", CALL), Turn("tool", "2"))
    (one,), remarks = encoded(base, "chat", [Document.conversation(turns)], learn="all")
    calls = json.dumps(json.loads(CALL)["tool_calls"])
    assert one.text_bytes == len("Welcome!1+1?2") + len(calls)
    assert one.mask.tolist() == [False] + [True] * (len(one.token_ids) - 1)
    assert remarks == ()
    (alone,), remarks = encoded(base, "chat", [talk(("assistant", "Welcome!"))], learn="all")
    assert (alone.text_bytes, remarks) == (8, ())


@pytest.mark.parametrize("given", [False, True])
def test_no_more_exchanges_go_than_must_where_earlier_answers_are_only_read(base: LoadedModel, given: bool) -> None:
    turns = tuple(replace(t, given=given and t.role == "assistant" and n < 11) for n, t in enumerate(LONG.turns))
    (whole,), _ = encoded(base, "chat", [LONG])
    (one,), remarks = encoded(base, "chat", [Document.conversation(turns)], len(whole.token_ids) - 2)
    assert len(one.token_ids) > len(whole.token_ids) * 3 // 4
    assert remarks == ("1 conversation is longer than the block; the oldest turns, 2 turns in all, are left out.",)


def test_what_follows_the_last_answer_goes_first_and_is_no_cut_of_an_answer(base: LoadedModel) -> None:
    (whole,), _ = encoded(base, "chat", [LONG])
    longer = Document.conversation((*LONG.turns, Turn("user", "and one more question " * 9)))
    (one,), remarks = encoded(base, "chat", [longer], len(whole.token_ids) - 1)
    assert one.token_ids.tolist() == whole.token_ids.tolist()
    assert remarks == ("1 turn after the last answer of a conversation that is longer than the block is left out.",)
    (kept,), remarks = encoded(base, "chat", [longer])
    assert len(kept.token_ids) > len(one.token_ids)
    assert remarks == ()
    (whole,), _ = by_template(MARKED, LONG.turns[-2:])
    (cut_,), remarks = by_template(MARKED, LONG.turns[-2:], len(whole.token_ids) - 2)  # the line break after the mark
    assert (int(cut_.mask.sum()), cut_.text_bytes, remarks) == (int(whole.mask.sum()), whole.text_bytes, ())


def test_a_fixed_date_is_part_of_the_rendering_and_is_said() -> None:
    dated = "{{ strftime_now('%Y') }}" + CHATML
    _, remarks = by_template(dated, LONG.turns)
    assert remarks == (
        "The chat template asks for today's date and is given 26 July 2024, so that tokens are the same on every day.",
    )
    spec = TaskSpec(name="t", train="t.jsonl")
    keys = [json.loads(make_rendering(tokenizer(t), 0, 0, "chat", spec, 64).key) for t in (dated, CHATML)]
    assert keys == [["chat", dated, "assistant", 64, "2024-07-26"], ["chat", CHATML, "assistant", 64]]


def test_pairs_are_conversations_where_a_template_is_chosen(base: LoadedModel) -> None:
    (one,), _ = encoded(base, "pairs", [PAIR], template="plain")
    assert read_and_learnt(base, one) == (
        "<|endoftext|>User:\nHow heavy is it?\n\nAssistant:\n", "four tonnes<|endoftext|>"
    )  # fmt: skip
    with pytest.raises(ModelError, match="has no chat template"):
        rendering(base, "pairs", template="model")


def test_packed_rows_have_exactly_the_targets_that_are_marked(base: LoadedModel) -> None:
    documents = [LONG, talk(("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "d")), LONG]
    found, _ = encoded(base, "chat", documents, 128)
    rows = pack_documents(found, 128)
    blocks = rows.select(torch.arange(len(rows)))
    assert rows.target_tokens == blocks.target_tokens == found.target_tokens == int(found.targets.sum())
    expected = sorted(int(token) for one in found for token in one.token_ids[one.mask])
    assert sorted(blocks.targets[blocks.targets != IGNORED].tolist()) == expected
    again = EncodedDocuments.of(list(found))
    assert pack_documents(again, 128).select(torch.arange(len(rows))).targets.tolist() == blocks.targets.tolist()
    pieces = [piece for one in found for piece in cut(one, 128)]
    assert sorted(int(t) for p in pieces for t in p.targets[p.targets != IGNORED]) == expected


STRICT = (
    "{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('roles must alternate') }}{% endif %}{{ (bos_token if loop.first else '') + "
    "('[INST] ' + m.content + ' [/INST]' if m.role == 'user' else ' ' + m.content + eos_token) }}{% endfor %}"
)
TRIMS = (
    "{{ bos_token }}{% for m in messages %}{{ '<|im_start|>' + m.role + '\n\n' + m.content | trim + '<|im_end|>' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n\n' }}{% endif %}"
)
TOKENIZERS = {name: tokenizer(name) for name in (None, CHATML, MARKED, SHORTENS_EARLIER, STRICT, TRIMS)}
CONTENTS = st.lists(
    st.sampled_from(["hi", "a long word", "\n", " ", "<|im_end|>", "<|endoftext|>", "中文", "🙂", "", "x " * 30]),
    max_size=4,
).map("".join)  # fmt: skip
TURNS = st.builds(
    Turn, st.sampled_from(["user", "assistant", "assistant", "tool", "system"]), CONTENTS,
    st.sampled_from(["", "", "", '{"tool_calls": [{"type": "function", "function": {"name": "f"}}]}']), st.just(False),
)  # fmt: skip


@settings(max_examples=120, deadline=None)
@given(
    st.lists(st.lists(TURNS, min_size=1, max_size=9), min_size=1, max_size=4), st.sampled_from(list(TOKENIZERS)),
    st.sampled_from([8, 16, 40, 256]), st.sampled_from(["assistant", "all"]),
)  # fmt: skip
def test_every_conversation_fits_its_block_with_something_to_learn_or_is_counted_as_left_out(
    conversations: list[list[Turn]], template: str | None, block: int, learn: str
) -> None:
    documents = []
    for turns in conversations:
        with contextlib.suppress(NoConversationError):
            documents.append(Document.conversation(check_turns(turns)))
    spec = TaskSpec(name="t", train="t.jsonl", learn=learn)
    made = make_rendering(TOKENIZERS[template], 0, 0, "chat", spec, block)
    found = encode_with(made.encoder, documents)
    for one in found:
        assert len(one.token_ids) <= block + 1
        assert one.mask.any()
        assert not one.mask[0]
        assert one.first_target == int(one.mask.int().argmax())
        assert one.text_bytes >= 1
    counts = made.encoder.counts
    left_out = counts["question"] + sum(count for key, count in counts.items() if key.startswith("refused"))
    assert len(found) + left_out == len(documents)
    assert all(remark.endswith(".") for remark in remarks_on(counts))
    rows = pack_documents(found, block)
    assert rows.target_tokens == rows.select(torch.arange(len(rows))).target_tokens == found.target_tokens
