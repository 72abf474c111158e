"""Models without a tokenizer, and tokenizers that make nothing of a text: refused before a number comes of it."""

from pathlib import Path

import pytest
from tokenizers import Tokenizer, decoders, normalizers, pre_tokenizers
from tokenizers import models as kinds
from transformers import AutoTokenizer, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from engine.common.errors import ModelError, TaskError
from engine.models import loading
from engine.models.tokenizer_checks import REFUSED_SHARE, REMARKED_SHARE, check_tokenizer, check_tokens, count_tokens
from tests.builders import tiny_gpt2

LETTERS = [*"abcdefghijklmnopqrstuvwxyz"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model, saved as many people save one: without its tokenizer."""
    tiny_gpt2(vocabulary=4096).save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def of_letters(**special: str) -> PreTrainedTokenizerFast:
    """A token for each small letter, and one for all else."""
    words = {token: number for number, token in enumerate(["<unk>", "<s>", *LETTERS])}
    backend = Tokenizer(kinds.WordLevel(words, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Split("", "isolated")]
    )
    return PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="<unk>", eos_token="<s>", **special)


def of_bytes_beneath() -> PreTrainedTokenizerFast:
    """Pieces as SentencePiece writes them, and bytes for what is none of them."""
    vocabulary = ["<unk>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁", *LETTERS]
    words = {token: number for number, token in enumerate(vocabulary)}
    backend = Tokenizer(kinds.BPE(words, [], unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    backend.normalizer = normalizers.Replace(" ", "▁")
    backend.decoder = decoders.ByteFallback()
    return PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="<unk>", eos_token="</s>")


@pytest.fixture
def byte_level() -> PreTrainedTokenizerBase:
    return loading.load_tokenizer("tiny-gpt2")


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"tokenizer_config.json": "{}"},
        {"tokenizer_config.json": '{"tokenizer_class": "GPT2Tokenizer", "eos_token": "<|endoftext|>"}'},
        {"tokenizer_config.json": '{"tokenizer_class": "LlamaTokenizer"}', "special_tokens_map.json": "{}"},
        {"tokenizer_config.json": '{"tokenizer_class": "PreTrainedTokenizerFast"}', "added_tokens.json": '{"x": 0}'},
    ],
    ids=["nothing", "an empty description", "a description", "of another class", "added tokens alone"],
)
@pytest.mark.parametrize("load", [loading.load_tokenizer, loading.load_base])
def test_a_folder_without_a_tokenizer_is_refused_with_the_files_to_put_there(load, files, folder: Path) -> None:
    for name, content in files.items():
        (folder / name).write_text(content)
    with pytest.raises(ModelError, match=r"no tokenizer in this folder; put its files there \(tokenizer\.json, or voc"):
        load(str(folder))


def test_a_tokenizer_of_bytes_needs_no_files(folder: Path) -> None:
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "ByT5Tokenizer"}')
    assert loading.load_tokenizer(str(folder)).vocab_size == 256


def test_half_of_a_vocabulary_is_told_from_the_other_half(folder: Path) -> None:
    (folder / "vocab.json").write_text('{"a": 0, "b": 1}')
    with pytest.raises(ModelError, match=r"vocab\.json is there but merges\.txt, which belongs to it, is not"):
        loading.load_tokenizer(str(folder))


def test_an_empty_vocabulary_is_none(folder: Path) -> None:
    (folder / "vocab.json").write_text("{}")
    (folder / "merges.txt").write_text("#version: 0.2\n")
    with pytest.raises(ModelError, match="0 tokens beside the special ones, so its vocabulary is missing"):
        loading.load_tokenizer(str(folder))


def test_a_tokenizer_of_no_ordinary_text_is_refused() -> None:
    words = {token: number for number, token in enumerate(["<unk>", *(f"word{n}" for n in range(50))])}
    knows_nothing = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(kinds.WordLevel(words, unk_token="<unk>")), unk_token="<unk>"
    )
    with pytest.raises(ModelError, match="ordinary text into nothing but unknown tokens"):
        check_tokenizer(knows_nothing, "odd", Path("odd"))
    silent = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(kinds.BPE({f"¤{n}": n for n in range(9)}, [])))
    with pytest.raises(ModelError, match="ordinary text into no token at all"):
        check_tokenizer(silent, "odd", Path("odd"))


def test_small_tokenizers_that_work_are_taken(byte_level: PreTrainedTokenizerBase) -> None:
    bases = Tokenizer(kinds.WordLevel({"<unk>": 0, "A": 1, "C": 2, "G": 3, "T": 4}, unk_token="<unk>"))
    bases.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    genome = PreTrainedTokenizerFast(tokenizer_object=bases, unk_token="<unk>")
    for tokenizer in (byte_level, of_letters(), of_bytes_beneath(), genome):
        check_tokenizer(tokenizer, "small", Path("small"))


def test_the_share_of_unknown_tokens_is_counted_by_hand() -> None:
    assert count_tokens(of_letters(), ["abc", "a?c ?"]).unknown_share == 2 / 7
    assert count_tokens(of_letters(), []).unknown_share == 0.0


def test_characters_that_are_left_out_count_as_unknown_ones() -> None:
    silent = Tokenizer(kinds.BPE({letter: number for number, letter in enumerate(LETTERS)}, []))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=silent)
    assert count_tokens(tokenizer, ["abc 图书 d", "ef"]).unknown_share == 2 / 8
    (remark,) = check_tokens(tokenizer, "Task 'chat'", ["abc 图书 d", "ef"])
    assert "25% of the tokens are unknown to the model's tokenizer (left out without a trace)" in remark


def test_bytes_know_every_text(byte_level: PreTrainedTokenizerBase) -> None:
    for tokenizer in (byte_level, of_bytes_beneath()):
        assert count_tokens(tokenizer, ["图书馆 🙂 <|endoftext|> <unk> naïve"]).unknown_share == 0.0


def test_unknown_tokens_are_remarked_on_and_too_many_are_refused() -> None:
    def with_share(unknown: int) -> list[str]:
        return ["a" * (100 - unknown) + "?" * unknown]

    at = round(100 * REMARKED_SHARE), round(100 * REFUSED_SHARE)
    assert check_tokens(of_letters(), "Task 'chat'", with_share(at[0])) == ()
    (remark,) = check_tokens(of_letters(), "Task 'chat'", with_share(at[0] + 1))
    assert remark.startswith("Task 'chat': 4% of the tokens are unknown")
    assert len(check_tokens(of_letters(), "Task 'chat'", with_share(at[1]))) == 1
    with pytest.raises(TaskError, match=r"31% of the tokens are unknown .* scores would mean nothing"):
        check_tokens(of_letters(), "Task 'chat'", with_share(at[1] + 1))


def test_texts_of_no_tokens_are_refused() -> None:
    made_up = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(kinds.BPE({"<s>": 0}, [])), eos_token="<s>")
    with pytest.raises(TaskError, match=r"Task 'chat': .* into no tokens at all"):
        check_tokens(made_up, "Task 'chat'", ["hello", "there"])


def test_a_large_task_is_looked_at_in_samples_from_all_over_it(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    real = of_letters()
    monkeypatch.setattr(
        "engine.models.tokenizer_checks.make_encoder",
        lambda tokenizer: lambda texts: (seen.extend(texts), encode(texts))[1],
    )
    from engine.tokens.tokenisation import make_encoder

    encode = make_encoder(real)
    texts = ["a" * 1000] * 5000 + ["?" * 1000] * 5000
    with pytest.raises(TaskError, match="50%"):
        check_tokens(real, "Task 'two halves'", texts)
    assert max(map(len, seen)) == 1000
    assert len(seen) == 200


def test_tokenizers_that_were_saved_load_again(folder: Path, byte_level: PreTrainedTokenizerBase) -> None:
    byte_level.save_pretrained(folder)
    assert len(loading.load_tokenizer(str(folder))) == len(byte_level)
    assert isinstance(AutoTokenizer.from_pretrained(folder), type(loading.load_tokenizer(str(folder))))
