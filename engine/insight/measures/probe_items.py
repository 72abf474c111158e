"""The items of every probe, drawn from one fixed seed: equal on every machine and with every version of any library.

**The choices alone give nothing away.** Of each item the set of choices is drawn first, then which of them is right, in
turn, and then a prompt that makes it so. Every rule that looks at the choices and not at the prompt (the smallest
number, the likeliest word, the shortest, the first) is therefore right in one of k items, which is what `chance`
means: the right choice has every rank among its k equally often, and every place. The choices of an item have as many
characters and parts as each other, but for verbs, of which the singular and the plural are right equally often.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TypeVar

from engine.common.random_streams import Streams
from engine.insight.measures.probes import ITEMS, PROBES, Probe

SEED = 20_260
_LOWEST, _HIGHEST, _WINDOW = 10, 39, 10
"""Results of arithmetic, and how far the choices of one item lie apart at most."""
_WORDS = (
    "bird", "boat", "book", "cake", "coat", "door", "fish", "gate", "gold", "hand", "hill", "lamp", "leaf", "milk",
    "moon", "nest", "rain", "ring", "road", "rock", "rope", "salt", "ship", "snow", "song", "star", "tree", "wind",
    "bell", "bowl", "corn", "deer", "drum", "farm", "flag", "iron", "king", "lake", "meat", "rose", "seed", "shoe",
    "silk", "town", "wall", "wine", "wolf", "wool",
)  # fmt: skip
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_COLOURS = ("red", "blue", "green", "black", "white", "brown")
_CONTENTS = ("salt", "rice", "gold", "wine", "milk", "sand", "corn", "wool", "silk", "iron")
_NOUNS = (
    "key", "boy", "girl", "book", "horse", "house", "letter", "ship", "tree", "picture", "table", "river", "king",
    "brother", "garden", "soldier", "teacher", "doctor", "window", "road",
)  # fmt: skip
_BETWEEN = ("near", "behind", "beside", "with")
_VERBS = ((" is", " are"), (" was", " were"), (" has", " have"))
_Value = TypeVar("_Value")


@dataclass(frozen=True)
class Item:
    """A prompt with continuations, of which that in the place `right` is right. Continuations begin with a space."""

    prompt: str
    choices: tuple[str, ...]
    right: int

    @property
    def answer(self) -> str:
        """The right choice."""
        return self.choices[self.right]


class _Draws:
    """Whole numbers of one item, each from a stream of its own."""

    def __init__(self, name: str, number: int) -> None:
        self._name, self._number, self._drawn = name, number, 0

    def below(self, limit: int) -> int:
        self._drawn += 1
        return Streams(SEED).number(f"probe {self._name}", self._number, self._drawn) % limit

    def between(self, low: int, high: int) -> int:
        """Both ends included."""
        return low + self.below(high - low + 1)

    def some(self, values: Sequence[_Value], count: int) -> list[_Value]:
        """As many different ones, in any order."""
        rest = list(values)
        return [rest.pop(self.below(len(rest))) for _ in range(count)]


@cache
def items_of(probe: Probe) -> tuple[Item, ...]:
    """The items of a probe, which all differ."""
    make, found = _MAKERS[probe.name], dict[str, Item]()
    for number in range(ITEMS):
        draws = _Draws(probe.name, number)
        item = make(draws, number)
        while item.prompt in found:
            item = make(draws, number)
        found[item.prompt] = item
    return tuple(found.values())


def _item(draws: _Draws, number: int, prompt: str, right: str, wrong: Sequence[str]) -> Item:
    """The right choice in every place equally often, the wrong ones in any order."""
    choices, own = draws.some(wrong, len(wrong)), len(wrong) + 1
    place = (number + number // own) % own
    choices.insert(place, right)
    return Item(prompt, tuple(choices), place)


def _split(values: Sequence[_Value], rank: int) -> tuple[_Value, list[_Value]]:
    """The value of a rank, and the others."""
    return values[rank], [value for place, value in enumerate(values) if place != rank]


def _arithmetic(draws: _Draws, number: int) -> Item:
    low = draws.between(_LOWEST, _HIGHEST - _WINDOW + 1)
    right, wrong = _split(sorted(draws.some(range(low, low + _WINDOW), 4)), number % 4)
    choices = {right, *wrong}
    is_sum = number // 4 % 2 == 0
    numbers = _operands(draws, right, is_sum)
    while choices & set(numbers):
        numbers = _operands(draws, right, is_sum)
    lines: list[str] = []
    while len(lines) < 3:
        own = draws.below(2) == 0
        result = draws.between(_LOWEST, _HIGHEST)
        operands = _operands(draws, result, own)
        if not choices & {result, *operands}:
            lines.append(f"{_asked(operands, own)} {result}\n")
    return _item(draws, number, "".join(lines) + _asked(numbers, is_sum), f" {right}", [f" {value}" for value in wrong])


def _operands(draws: _Draws, result: int, is_sum: bool) -> tuple[int, int]:
    if is_sum:
        first = draws.between(2, result - 2)
        return first, result - first
    second = draws.between(2, 20)
    return result + second, second


def _asked(operands: tuple[int, int], is_sum: bool) -> str:
    return f"{operands[0]} {'+' if is_sum else '-'} {operands[1]} ="


def _copying(draws: _Draws, number: int) -> Item:
    words = draws.some(_WORDS, 24)
    one, other, *lines = (" ".join(words[start : start + 4]) for start in range(0, 24, 4))
    right, wrong = _split(sorted(f" {line}" for line in lines), number % 4)
    shown = "".join(f"Say: {line}\nAgain: {line}\n" for line in (one, other))
    return _item(draws, number, f"{shown}Say:{right}\nAgain:", right, wrong)


def _sorting(draws: _Draws, number: int) -> Item:
    *common, one, other = draws.some(_LETTERS, 5)
    is_backward, is_other = number % 4 >= 2, number % 2 == 1
    own, changed = ([*common, other], [*common, one]) if is_other else ([*common, one], [*common, other])
    candidates = [(own, is_backward), (own, not is_backward), (changed, is_backward), (changed, not is_backward)]
    right, *wrong = (" " + " ".join(sorted(letters, reverse=backward)) for letters, backward in candidates)
    rest = [letter for letter in _LETTERS if letter not in (*common, one, other)]
    way = "Backwards" if is_backward else "Forwards"
    lines = ""
    for _ in range(2):
        letters = draws.some(rest, 4)
        lines += f"{way}: {_unsorted(draws, letters)} = {' '.join(sorted(letters, reverse=is_backward))}\n"
    return _item(draws, number, f"{lines}{way}: {_unsorted(draws, own)} =", right, wrong)


def _unsorted(draws: _Draws, letters: Sequence[str]) -> str:
    """In an order that is neither of the two."""
    order = draws.some(letters, len(letters))
    while order in (sorted(letters), sorted(letters, reverse=True)):
        order = draws.some(letters, len(letters))
    return " ".join(order)


def _look_up(draws: _Draws, number: int) -> Item:
    colours, contents = draws.some(_COLOURS, 4), draws.some(_CONTENTS, 4)
    asked = number % 4
    facts = "".join(f"The {colour} box holds {held}. " for colour, held in zip(colours, contents, strict=True))
    right, wrong = _split([f" {held}" for held in contents], asked)
    return _item(draws, number, f"{facts}The {colours[asked]} box holds", right, wrong)


def _agreement(draws: _Draws, number: int) -> Item:
    subject, other = draws.some(_NOUNS, 2)
    is_plural, other_is_plural = number % 2 == 1, number // 2 % 2 == 1
    subject, other = subject + "s" * is_plural, other + "s" * other_is_plural
    between = _BETWEEN[draws.below(len(_BETWEEN))]
    right, wrong = _split(_VERBS[draws.below(len(_VERBS))], int(is_plural))
    return _item(draws, number, f"The {subject} {between} the {other}", right, wrong)


_MAKERS: dict[str, Callable[[_Draws, int], Item]] = dict(
    zip((probe.name for probe in PROBES), (_arithmetic, _copying, _sorting, _look_up, _agreement), strict=True)
)
