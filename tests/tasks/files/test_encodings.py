"""Encodings are recognised, said, and never guessed where the bytes are damaged or no text."""

import pytest

from engine.common.errors import TaskError
from engine.tasks.files.encodings import ENCODINGS, clean, decode

GERMAN = "Ein schöner Tag für süßes Gemüse.\nDie Straße ist naß, sagt der Bär.\n"
CHINESE = "今天天气很好，我们去公园散步。\n图书馆八点开门，晚上九点闭馆。\n"
FRENCH = "L’été, la fenêtre est ouverte – c’est très agréable.\n"


@pytest.mark.parametrize(
    ("data", "encoding", "text"),
    [
        (GERMAN.encode(), "utf-8", GERMAN),
        (b"\xef\xbb\xbf" + GERMAN.encode(), "utf-8", GERMAN),
        (GERMAN.encode("utf-16"), "utf-16", GERMAN),
        (b"\xfe\xff" + CHINESE.encode("utf-16-be"), "utf-16", CHINESE),
        (GERMAN.encode("utf-16-le"), "utf-16-le", GERMAN),
        (GERMAN.encode("utf-16-be"), "utf-16-be", GERMAN),
        (GERMAN.encode("latin-1"), "latin-1", GERMAN),
        (FRENCH.encode("windows-1252"), "windows-1252", FRENCH),
        ("café".encode("latin-1"), "latin-1", "café"),
        (CHINESE.encode("gb18030"), "gb18030", CHINESE),
        ("안녕하세요 세계, 오늘은 날씨가 좋습니다.\n".encode("euc_kr"), "euc_kr", None),
        (b"plain words\n", "utf-8", "plain words\n"),
    ],
)
def test_the_encoding_is_recognised(data: bytes, encoding: str, text: str | None) -> None:
    decoded = decode("a.txt", data)
    assert decoded.encoding == encoding
    if text is not None:
        assert decoded.text == text


def test_only_encodings_without_a_mark_or_a_proof_are_called_uncertain() -> None:
    assert decode("a.txt", GERMAN.encode()).certain
    assert decode("a.txt", GERMAN.encode("utf-16")).certain
    assert not decode("a.txt", GERMAN.encode("latin-1")).certain
    assert not decode("a.txt", CHINESE.encode("gb18030")).certain


@pytest.mark.parametrize("encoding", sorted(ENCODINGS))
def test_a_chosen_encoding_is_used_as_it_is(encoding: str) -> None:
    decoded = decode("a.txt", "abc\r\ndef".encode(encoding), encoding)
    assert (decoded.text, decoded.encoding, decoded.how) == ("abc\ndef", encoding, "chosen")


def test_a_chosen_encoding_that_does_not_fit_names_the_line() -> None:
    with pytest.raises(TaskError, match=r"a\.txt, line 2: these bytes are not UTF-8; choose another encoding"):
        decode("a.txt", b"fine\n\xff\xff", "utf-8")
    with pytest.raises(TaskError, match=r"there is no encoding 'utf-99'"):
        decode("a.txt", b"fine", "utf-99")


@pytest.mark.parametrize("cut", [1, 2])
@pytest.mark.parametrize("encoding", [None, "utf-8"])
def test_utf8_that_ends_within_a_character_is_read_up_to_there_and_says_so(cut: int, encoding: str | None) -> None:
    decoded = decode("a.txt", (CHINESE + "好").encode()[:-cut], encoding)
    assert (decoded.text, decoded.encoding) == (CHINESE, "utf-8")
    assert [remark.split(",")[0] for remark in decoded.remarks] == ["The file ends in the middle of a character"]


def test_utf16_that_ends_within_a_character_is_read_up_to_there_and_says_so() -> None:
    decoded = decode("a.txt", (CHINESE + "x").encode("utf-16")[:-1])
    assert decoded.text == CHINESE
    assert decoded.remarks


def test_a_last_letter_that_latin_1_has_is_no_cut_off_character() -> None:
    assert decode("a.txt", "café".encode("latin-1")).remarks == ()


def test_utf8_with_damaged_bytes_inside_names_the_line() -> None:
    data = (CHINESE * 5).encode() + b"\xff\n" + CHINESE.encode()
    with pytest.raises(TaskError, match=r"a\.txt, line 11: .*damaged"):
        decode("a.txt", data)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b" \n\t\r\n ", "only white space"),
        (b"\xef\xbb\xbf", "only white space"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "a picture"),
        (b"%PDF-1.7 ...", "a PDF document"),
        (b"PK\x03\x04....", "a zip archive"),
        (b"\x1f\x8b\x08\x00", "a gzip file"),
        (bytes(range(256)) * 20, "binary data"),
        (bytes(range(1, 32)) * 20, "binary data"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "a Git LFS pointer"),
    ],
)
def test_what_is_no_text_gets_one_sentence_that_names_the_file(data: bytes, words: str) -> None:
    with pytest.raises(TaskError, match=rf"^notes\.txt: .*{words}.*\.$"):
        decode("notes.txt", data)


def test_line_ends_become_lf_and_halves_of_characters_are_mended() -> None:
    assert clean("a\r\nb\rc\n") == "a\nb\nc\n"
    assert clean("\ud83d\ude00") == "😀"
    assert clean("x\ud83d") == "x\ufffd"


def test_a_special_token_that_is_spelled_out_stays_text() -> None:
    assert decode("a.txt", b"one <|endoftext|> two").text == "one <|endoftext|> two"
