"""What a report shows of a task, as plain data: the passages that lost most, and the answers that became worse."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from transformers import PreTrainedTokenizerBase

from engine.insight.measures.excerpts import worst_stretch
from engine.insight.measures.passages import Piece, opened, passages
from engine.insight.measures.token_scores import TokenScores
from engine.tokens.encoded_documents import EncodedDocuments

MOST_PASSAGES, MOST_ANSWERS = 2, 4
"""Of a task: a report is read in one go."""
CHARACTERS = 600
"""Of a passage."""
_SCORES = ("scores", "lost", "gained", "p", "left_out")
Turned = Mapping[str, Any]
"""Answers before and after, as the Turned answers view has them."""


def worst_passages(
    tokenizer: PreTrainedTokenizerBase, documents: EncodedDocuments, scores: Sequence[Sequence[TokenScores]]
) -> dict[str, Any]:
    """The number of `documents`, how many of them lost (`worse`), and the `passages` that lost most. `scores` are of
    each span, before and after; the first span's losses choose what is shown."""
    tables = [passages(documents, *own).set_index("document") for own in scores]
    lost = tables[0][tables[0]["lost"] > 0]
    shown = []
    for number in (int(each) for each in lost.index[:MOST_PASSAGES]):
        opened_by = [pieces_of(tokenizer, documents, number, own) for own in scores]
        start, end = worst_stretch(opened_by[0], CHARACTERS)
        spans = [
            {name: float(table.at[number, name]) for name in ("before", "after", "lost")}
            | {"pieces": [asdict(piece) for piece in pieces[start:end]]}
            for table, pieces in zip(tables, opened_by, strict=True)
        ]
        of = len(opened_by[0])
        shown.append({"document": number, "spans": spans, "begins_at": start, "left_out": of - end})
    return {"documents": len(documents), "worse": len(lost), "passages": shown}


def worse_answers(turned: Sequence[Turned]) -> dict[str, Any]:
    """The scores of every span, and the questions that the first answers worse than before, the worst first: right
    answers that turned wrong, then those that lost most of their words. `after` holds every span's answer."""
    first = turned[0]
    worse = [row for row in first["rows"] if _fall(row) > (0, 0.0)]
    rows = [
        {name: row[name] for name in ("document", "prompt", "expected", "before")}
        | {"after": [_row_of(each, row["document"])["after"] for each in turned]}
        for row in sorted(worse, key=_fall, reverse=True)[:MOST_ANSWERS]
    ]
    spans = [{name: each[name] for name in _SCORES} for each in turned]
    return {"asked": len(first["rows"]), "spans": spans, "rows": rows}


def _fall(row: Mapping[str, Any]) -> tuple[int, float]:
    before, after = row["before"], row["after"]
    return int(before["exact"]) - int(after["exact"]), before["f1"] - after["f1"]


def _row_of(turned: Turned, document: int) -> Mapping[str, Any]:
    found: Mapping[str, Any] = next(row for row in turned["rows"] if row["document"] == document)
    return found


def pieces_of(
    tokenizer: PreTrainedTokenizerBase, documents: EncodedDocuments, number: int, scores: Sequence[TokenScores]
) -> list[Piece]:
    """A document in pieces, with the scores of two models on all documents."""
    end = int(np.cumsum(documents.targets)[number])
    part = slice(end - int(documents.targets[number]), end)
    own = [TokenScores(each.nats[part], each.likeliest[part]) for each in scores]
    return opened(tokenizer, documents[number], *own)
