"""What had to go where documents became tokens, in sentences."""

from __future__ import annotations

from collections import Counter

from engine.tokens.chat_text import DATE


def remarks_on(counts: Counter[str]) -> tuple[str, ...]:
    """What had to go, one whole sentence for each reason."""
    found = []

    def say(key: str, one: str, many: str) -> None:
        if counts[key]:
            found.append(one if counts[key] == 1 else many.format(counts[key]))

    say("prompt", "1 prompt is longer than the block allows; its beginning is left out.",
        "{:,} prompts are longer than the block allows; their beginnings are left out.")  # fmt: skip
    say("completion", "1 completion is longer than the block allows; its end is left out.",
        "{:,} completions are longer than the block allows; their ends are left out.")  # fmt: skip
    if counts["shortened"]:
        were = "1 conversation is" if counts["shortened"] == 1 else f"{counts['shortened']:,} conversations are"
        turns = "1 turn" if counts["turns"] == 1 else f"{counts['turns']:,} turns"
        found.append(f"{were} longer than the block; the oldest turns, {turns} in all, are left out.")
    say("after", "1 turn after the last answer of a conversation that is longer than the block is left out.",
        "{:,} turns after the last answers of conversations that are longer than the block are left out.")  # fmt: skip
    say("answer", "1 answer is longer than the block allows; its end is left out.",
        "{:,} answers are longer than the block allows; their ends are left out.")  # fmt: skip
    say("end", "1 conversation is longer than the block allows; its end is left out.",
        "{:,} conversations are longer than the block allows; their ends are left out.")  # fmt: skip
    say("question", "1 conversation is left out: its question alone fills the block.",
        "{:,} conversations are left out: their questions alone fill the block.")  # fmt: skip
    lost = "left out or changed by the chat template; what it does not write is neither read nor learnt."
    say("unwritten", f"1 turn is {lost}", f"{{:,}} turns are {lost}")
    if counts["dated"]:
        found.append(
            f"The chat template asks for today's date and is given {DATE.day} {DATE:%B %Y}, so that tokens are the "
            "same on every day."
        )
    for key, count in counts.items():
        kind, _, reason = key.partition(":")
        if kind == "refused":
            were = "1 conversation is" if count == 1 else f"{count:,} conversations are"
            found.append(f"{were} left out: {reason}.")
        elif kind == "turn":
            were = "1 turn of the assistant is" if count == 1 else f"{count:,} turns of the assistant are"
            found.append(f"{were} read but not learnt: {reason}.")
        elif kind == "unused":
            have = "1 message has" if count == 1 else f"{count:,} messages have"
            found.append(f"{have} '{reason}', which the chat template does not write.")
    return tuple(found)
