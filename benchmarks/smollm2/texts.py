"""`python -m benchmarks.smollm2.texts SOURCES`: the three tasks of `benchmarks/smollm2.yaml`, written where it looks.

SOURCES holds `bank/train.csv` and `bank/test.csv` of PolyAI-LDN/task-specific-datasets (banking77, CC BY 4.0), and
`medicine` (pubmedqa/pubmedqa) and `shakespeare` (karpathy/char-rnn), each a `train.txt` and a `test.txt` with a blank
line between documents. A row of banking77, a customer's question and its topic, becomes a conversation whose answer is
the topic. Held-out parts are cut short: every run scores all of them four times.
"""

import argparse
import csv
import json
import random
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from engine.common.errors import PalimpsestError, TaskError

SYSTEM = "Name the topic of the question."
CONVERSATIONS, HELD_OUT_CONVERSATIONS, HELD_OUT_BYTES = 400, 120, 14_000


def conversation(question: str, topic: str) -> list[dict[str, str]]:
    """A system turn, the customer's question, and the topic in words as the answer."""
    turns = (("system", SYSTEM), ("user", question.strip()), ("assistant", topic.replace("_", " ").strip().lower()))
    return [{"role": role, "content": content} for role, content in turns]


def conversations(rows: Sequence[tuple[str, str]], count: int, seed: int = 0) -> list[list[dict[str, str]]]:
    """As many conversations of (question, topic), drawn without replacement."""
    drawn = random.Random(seed).sample(sorted(set(rows)), count)
    return [conversation(*row) for row in drawn]


def beginning(text: str, most_bytes: int) -> str:
    """The first documents of a text that fit into so many bytes of UTF-8 together, at least one."""
    kept, size = list[str](), 0
    for document in re.split(r"\n\s*\n", text.strip()):
        size += len(document.encode()) + 2
        if kept and size > most_bytes:
            break
        kept.append(document)
    return "\n\n".join(kept) + "\n"


def write(sources: Path, out: Path) -> None:
    """Write the tasks' files below `out`, a folder a task. Raises TaskError where a source is missing."""
    for name, count in (("train", CONVERSATIONS), ("test", HELD_OUT_CONVERSATIONS)):
        with _there(sources / "bank" / f"{name}.csv").open(newline="", encoding="utf-8") as file:
            rows = [(row["text"], row["category"]) for row in csv.DictReader(file)]
        lines = (json.dumps({"messages": each}, ensure_ascii=False) for each in conversations(rows, count))
        _write(out / "bank-chat" / f"{name}.jsonl", "\n".join(lines) + "\n")
    for task in ("medicine", "shakespeare"):
        train, test = (_there(sources / task / f"{name}.txt").read_text("utf-8") for name in ("train", "test"))
        _write(out / task / "train.txt", train)
        _write(out / task / "test.txt", beginning(test, HELD_OUT_BYTES))


def _there(path: Path) -> Path:
    if not path.is_file():
        raise TaskError(f"{path} is missing; `python -m benchmarks.smollm2.texts --help` says what belongs there.")
    return path


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def main(given: list[str] | None = None) -> int:
    """Returns the exit status: 1 where a source is missing."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.smollm2.texts", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("sources", type=Path)
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parents[1] / "texts" / "smollm2")
    options = parser.parse_args(given)
    try:
        write(options.sources, options.out)
    except PalimpsestError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"written to {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
