"""Requests worked out, one at a time, as plain data."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import Any

import numpy as np

from engine.common.errors import ConfigError
from engine.insight.abilities import probe_all
from engine.insight.measures.answers import Answer, answers, ends_of, plain
from engine.insight.measures.expected_answers import (
    Answered,
    Question,
    answer_tokens,
    answered,
    class_accuracy,
    mcnemar_p,
    questions,
    text_of,
)
from engine.insight.measures.passages import passages
from engine.insight.measures.reported import pieces_of, worse_answers, worst_passages
from engine.insight.measures.token_scores import TokenScores
from engine.insight.report_results import report_key
from engine.insight.requests import (
    AnswersRequest,
    PassageRequest,
    PassagesRequest,
    ProbesRequest,
    ReportRequest,
    ReportTask,
    Request,
    TurnedRequest,
    check,
)
from engine.insight.sources import Found, find
from engine.insight.telling import Tell, Told
from engine.insight.workshop import HeldOutDocuments, Workshop
from engine.persistence.content_keys import content_key
from engine.store import Store

_BEGINNING = 40
"""Tokens of a document that a list shows."""


def _silent(told: Told) -> None:
    pass


class Performer:
    """Works out requests, and keeps what the next may need; for one thread."""

    def __init__(self, store: Store) -> None:
        self._store, self._workshop = store, Workshop(store)

    def perform(self, request: Request, tell: Tell = _silent) -> Any:
        """The result as plain data. Raises PalimpsestError with words for the user."""
        if isinstance(request, AnswersRequest):
            return self._answers(request, tell)
        if isinstance(request, ReportRequest):
            return [self._reported(task, _numbered(tell, *place)) for task, *place in _places(request)]
        if isinstance(request, ProbesRequest):
            return probe_all(self._store, self._workshop, request, tell)
        before, after = (find(self._store, source) for source in (request.before, request.after))
        _check_same_texts(before, after, request.task)
        tell(Told("reading the task"))
        texts = self._workshop.held_out(after, request.task)
        if isinstance(request, TurnedRequest):
            return self._turned(before, after, texts, tell)
        scores = [self._workshop.token_scores(each, texts, tell) for each in (before, after)]
        if isinstance(request, PassagesRequest):
            return _rows(texts, *scores)
        return _pieces(request, texts, scores)

    def _answers(self, request: AnswersRequest, tell: Tell) -> list[list[dict[str, Any]]]:
        """For every source the answers to all prompts."""
        check(request)
        found = [find(self._store, source) for source in request.sources]
        done: list[list[dict[str, Any]]] = []
        for number, each in enumerate(found):
            told = partial(Told, f"{each.words} writes", number, len(found))
            tell(told(so_far=partial(list, [*done])))

            def seen(written: Callable[[], list[Answer]], told: Callable[..., Told] = told) -> None:
                tell(told(so_far=lambda: [*done, plain(written())]))

            done.append(self._answers_of(each, request, seen))
        return done

    def _answers_of(
        self, found: Found, request: AnswersRequest, seen: Callable[[Callable[[], list[Answer]]], None]
    ) -> list[dict[str, Any]]:
        def compute() -> list[dict[str, Any]]:
            base = self._workshop.loaded(found)
            return plain(answers(base, request.prompts, request.most_tokens, request.sampling, seen))

        key = content_key("answers", found.content, asdict(request) | {"sources": None})
        return self._workshop.kept_plain(key, compute)

    def _turned(self, before: Found, after: Found, texts: HeldOutDocuments, tell: Tell) -> dict[str, Any]:
        """`rows` of questions with the answers of both sources, `scores` of each, `lost` and `gained` with McNemar's
        `p`, the accuracy of each source by class, where the answers are labels, and how many questions were
        `left_out` because they fill the context."""
        model = self._workshop.loaded(after)
        ends = ends_of(model)
        asked, left_out = questions(texts.documents, ends, model.context)
        if left_out and not asked:
            raise ConfigError(f"Every prompt of {texts.task} fills the context, which leaves no room for an answer.")
        if not asked:
            raise ConfigError(
                f"{texts.task} is plain text: none of its documents has a prompt and an answer that is expected, so "
                "that nothing can be right or wrong. Passages show what was forgotten."
            )
        sides = {name: self._answered(each, texts, asked, ends, tell) for name, each in _sides(before, after)}
        expected = [text_of(texts.tokens.tokenizer, question.answer) for question in asked]
        rows: list[dict[str, Any]] = [
            {
                "document": question.document,
                "prompt": text_of(texts.tokens.tokenizer, question.prompt),
                "expected": wanted,
                **{name: asdict(side[number]) for name, side in sides.items()},
            }
            for number, (question, wanted) in enumerate(zip(asked, expected, strict=True))
        ]
        lost = sum(row["before"]["exact"] and not row["after"]["exact"] for row in rows)
        gained = sum(row["after"]["exact"] and not row["before"]["exact"] for row in rows)
        return {
            "rows": rows,
            "scores": {name: _means(side) for name, side in sides.items()},
            "lost": lost, "gained": gained, "p": mcnemar_p(lost, gained),
            "classes": {name: class_accuracy(expected, side) for name, side in sides.items()},
            "left_out": left_out,
        }  # fmt: skip

    def _reported(self, wanted: ReportTask, tell: Tell) -> dict[str, Any]:
        """What a report shows of a task: `worst_passages`, and the `answers` of all spans; None where it has none, or
        where `no_answers` says why there can't be any."""

        def compute() -> dict[str, Any]:
            spans = [[find(self._store, source) for source in (span.before, span.after)] for span in wanted.spans]
            tell(Told("reading the task"))
            texts = [self._workshop.held_out(after, wanted.task) for _, after in spans]
            for before, after in spans:
                _check_same_texts(before, spans[0][1], wanted.task)
                _check_same_texts(after, spans[0][1], wanted.task)
            if any(each.content != texts[0].content for each in texts):
                raise ConfigError(
                    f"The runs are scored on other held-out documents of {wanted.task}, so they have no passages in "
                    "common; compare runs of one seed."
                )
            scores = [[self._workshop.token_scores(each, texts[0], tell) for each in span] for span in spans]
            found = worst_passages(texts[0].tokens.tokenizer, texts[0].documents, scores)
            return found | self._worse_answers(spans if wanted.has_answers else [], texts[0], tell)

        key = report_key(self._store, wanted)
        return compute() if key is None else self._workshop.kept_plain(key, compute)

    def _worse_answers(self, spans: Sequence[Sequence[Found]], texts: HeldOutDocuments, tell: Tell) -> dict[str, Any]:
        try:
            turned = [self._turned(before, after, texts, tell) for before, after in spans]
        except ConfigError as error:  # which concerns the answers alone
            return {"answers": None, "no_answers": str(error)}
        return {"answers": worse_answers(turned) if turned else None, "no_answers": ""}

    def _answered(
        self, found: Found, texts: HeldOutDocuments, asked: Sequence[Question], ends: Sequence[int], tell: Tell
    ) -> list[Answered]:
        words = f"{found.words} answers the questions of {texts.task}"

        def compute() -> list[dict[str, Any]]:
            base = self._workshop.loaded(found)
            most = answer_tokens(asked)
            told = answered(base, asked, ends, most, lambda done, of: tell(Told(words, done, of)))
            return [asdict(each) for each in told]

        key = content_key("answered", found.content, texts.content, len(asked), list(ends))
        return [Answered(**each) for each in self._workshop.kept_plain(key, compute)]


def _places(request: ReportRequest) -> list[tuple[ReportTask, int, int]]:
    """Every task with its number, from 1, and how many there are."""
    return [(task, number, len(request.tasks)) for number, task in enumerate(request.tasks, start=1)]


def _numbered(tell: Tell, number: int, of: int) -> Tell:
    """Tell which of several tasks it is about."""
    return lambda told: tell(replace(told, words=f"task {number} of {of}: {told.words}"))


def _sides(before: Found, after: Found) -> tuple[tuple[str, Found], tuple[str, Found]]:
    return ("before", before), ("after", after)


def _means(side: Sequence[Answered]) -> dict[str, float]:
    return {
        "exact": float(np.mean([answer.exact for answer in side])),
        "f1": float(np.mean([answer.f1 for answer in side])),
    }


def _rows(texts: HeldOutDocuments, before: TokenScores, after: TokenScores) -> list[dict[str, Any]]:
    """A row of `passages` for every document, with the text that it begins with."""
    rows = passages(texts.documents, before, after).to_dict("records")
    found = [{str(name): value for name, value in row.items()} for row in rows]
    for row in found:
        ids = texts.documents[row["document"]].token_ids[1 : _BEGINNING + 1]
        row["begins"] = text_of(texts.tokens.tokenizer, ids)
    return found


def _pieces(request: PassageRequest, texts: HeldOutDocuments, scores: Sequence[TokenScores]) -> list[dict[str, Any]]:
    """The pieces of a document."""
    if not 0 <= request.document < len(texts.documents):
        raise ConfigError(f"{request.task} has {len(texts.documents)} documents here; choose one of them.")
    return [asdict(piece) for piece in pieces_of(texts.tokens.tokenizer, texts.documents, request.document, scores)]


def _check_same_texts(before: Found, after: Found, task: str) -> None:
    """Raises ConfigError where two sources can't be compared on the same tokens of the same texts."""
    facts: list[Mapping[str, Any]] = [
        {
            "base model": each.experiment.model,
            "texts": next((spec for spec in each.experiment.tasks if spec.name == task), None),
            "block size": each.experiment.training.block_size,
        }
        for each in (before, after)
    ]
    differs = [name for name in facts[0] if facts[0][name] != facts[1][name]]
    if differs:
        raise ConfigError(
            f"The two models belong to experiments with another {differs[0]}, so their tokens can't be compared one "
            "by one; choose two of the same experiment."
        )
