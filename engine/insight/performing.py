"""Requests worked out: models loaded, documents found, scores and answers kept by their content."""

import json
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from engine.common.errors import ConfigError
from engine.common.quoting import quoted
from engine.insight import answers
from engine.insight.kept_results import kept_results
from engine.insight.passages import opened, passages
from engine.insight.requests import AnswersRequest, PassageRequest, PassagesRequest, Request
from engine.insight.sources import Found, find
from engine.insight.token_scores import TokenScores, token_scores
from engine.models.loading import LoadedModel, load_tokenizer
from engine.persistence.content_keys import content_key
from engine.persistence.shared_results import SharedResults
from engine.running.execute import scored_documents
from engine.running.task_tokens import TaskTokens, TokensOf, task_tokens
from engine.store import Store
from engine.tokens.encoded_documents import EncodedDocuments

_SCORES, _ANSWERS = "scores.safetensors", "answers.json"
_MODELS = 2
"""That are kept in memory."""


@dataclass(frozen=True)
class Told:
    """How far a request has come."""

    words: str
    done: int = 0
    of: int = 0
    """0 where it is not known."""
    so_far: Any = None
    """Of the result, where that grows."""


Tell = Callable[[Told], None]
"""It may raise, to end the work."""


class Performer:
    """Works out requests, one at a time, and keeps what the next may need."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._results = kept_results(store.folder)
        self._tokens = SharedResults(store.shared_folder)
        self._models: OrderedDict[str, LoadedModel] = OrderedDict()

    def perform(self, request: Request, tell: Tell = lambda told: None) -> Any:
        """The result as plain data. Raises PalimpsestError with words for the user."""
        if isinstance(request, AnswersRequest):
            return self._answers(request, tell)
        if isinstance(request, PassagesRequest):
            return self._passages(request, tell)
        return self._passage(request, tell)

    def _answers(self, request: AnswersRequest, tell: Tell) -> list[list[dict[str, Any]]]:
        """For every source the answers to all prompts."""
        answers.check(request)
        found = [find(self._store, source) for source in request.sources]
        done: list[list[dict[str, Any]]] = []
        for number, each in enumerate(found):
            told = partial(Told, f"{named(each)} writes", number, len(found))
            tell(told(so_far=done))

            def seen(written: Sequence[answers.Answer], told: Callable[..., Told] = told) -> None:
                tell(told(so_far=[*done, answers.plain(written)]))

            done.append(self._answers_of(each, request, seen))
        return done

    def _answers_of(
        self, found: Found, request: AnswersRequest, seen: Callable[[list[answers.Answer]], None]
    ) -> list[dict[str, Any]]:
        key = content_key("answers", found.content, asdict(request) | {"sources": None})
        made: list[list[dict[str, Any]]] = []

        def make(folder: Path) -> None:
            base = self._loaded(found)
            written = answers.answers(base, request.prompts, request.most_tokens, request.sampling, seen)
            made.append(answers.plain(written))
            (folder / _ANSWERS).write_text(json.dumps(made[0]), encoding="utf-8")

        folder = self._results.files(key, make)
        if made:
            return made[0]
        assert folder is not None
        kept: list[dict[str, Any]] = json.loads((folder / _ANSWERS).read_text(encoding="utf-8"))
        return kept

    def _passages(self, request: PassagesRequest, tell: Tell) -> list[dict[str, Any]]:
        """A row of `passages` for every document, with the text that it begins with."""
        pair = self._pair(request, tell)
        table = passages(pair.documents, *pair.scores)
        rows = table.to_dict("records")
        for row in rows:
            row["begins"] = pair.beginning(int(row["document"]))
        return [{str(name): value for name, value in row.items()} for row in rows]

    def _passage(self, request: PassageRequest, tell: Tell) -> list[dict[str, Any]]:
        """The pieces of a document."""
        pair = self._pair(PassagesRequest(request.task, request.before, request.after), tell)
        if not 0 <= request.document < len(pair.documents):
            raise ConfigError(f"{request.task} has {len(pair.documents)} documents here; choose one of them.")
        ends = np.cumsum(pair.documents.targets)
        end = int(ends[request.document])
        part = slice(end - int(pair.documents.targets[request.document]), end)
        own = [TokenScores(scores.nats[part], scores.likeliest[part]) for scores in pair.scores]
        pieces = opened(pair.base.tokenizer, pair.documents[request.document], *own)
        return [asdict(piece) for piece in pieces]

    def _pair(self, request: PassagesRequest, tell: Tell) -> "_Pair":
        before, after = (find(self._store, source) for source in (request.before, request.after))
        _check_same_texts(before, after, request.task)
        tell(Told("reading the task"))
        base, task = self._task(after, request.task)
        documents = scored_documents(task, after.experiment.training, after.run.seed)
        scores = [self._scores(each, task, documents, tell) for each in (before, after)]
        return _Pair(base, documents, (scores[0], scores[1]))

    def _task(self, found: Found, name: str) -> tuple[TokensOf, TaskTokens]:
        model = found.experiment.model
        base = TokensOf.from_tokenizer(model, load_tokenizer(model))
        spec = next(spec for spec in found.experiment.tasks if spec.name == name)
        return base, task_tokens(spec, base, self._tokens, found.experiment.training.block_size)

    def _scores(self, found: Found, task: TaskTokens, documents: EncodedDocuments, tell: Tell) -> TokenScores:
        """The scores of a source, once per content: of its weights and of the documents."""
        block_size = found.experiment.training.block_size
        chosen = [found.run.seed, found.experiment.training.held_out_tokens, task.name]
        is_drawn = len(documents) < len(task.held_out)
        texts = [task.held_out_fingerprint, chosen if is_drawn else None, block_size]
        key = content_key("token scores", found.content, texts)
        made: list[TokenScores] = []

        def make(folder: Path) -> None:
            words = f"{named(found)} reads {task.name}"
            base = self._loaded(found)
            made.append(token_scores(base, documents, block_size, lambda done, of: tell(Told(words, done, of))))
            made[0].write(folder / _SCORES)

        folder = self._results.files(key, make)
        if made:
            return made[0]
        assert folder is not None
        return TokenScores.read(folder / _SCORES)

    def _loaded(self, found: Found) -> LoadedModel:
        if found.content in self._models:
            self._models.move_to_end(found.content)
        else:
            while len(self._models) >= _MODELS:
                self._models.popitem(last=False)
            self._models[found.content] = found.load()
        return self._models[found.content]


@dataclass(frozen=True, eq=False)
class _Pair:
    """A task's documents with the scores of two sources."""

    base: TokensOf
    documents: EncodedDocuments
    scores: tuple[TokenScores, TokenScores]

    def beginning(self, number: int, tokens: int = 40) -> str:
        """The text that a document begins with, without the token that begins every document."""
        ids = self.documents[number].token_ids[1 : tokens + 1].tolist()
        text = self.base.tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return str(text)


def named(found: Found) -> str:
    """A source in words."""
    if not found.source.stage:
        return "the base model"
    return f"{found.run.label} after stage {found.source.stage}"


def _check_same_texts(before: Found, after: Found, task: str) -> None:
    """Raises ConfigError where two sources can't be compared on the same tokens of the same texts."""
    for each in (before, after):
        if task not in [spec.name for spec in each.experiment.tasks]:
            raise ConfigError(f"{quoted(task)} is no task of the experiment {quoted(each.experiment.name)}.")
    facts: list[Mapping[str, Any]] = [
        {
            "base model": each.experiment.model,
            "texts": next(spec for spec in each.experiment.tasks if spec.name == task),
            "block size": each.experiment.training.block_size,
            "held-out tokens": each.experiment.training.held_out_tokens,
        }
        for each in (before, after)
    ]
    differs = [name for name in facts[0] if facts[0][name] != facts[1][name]]
    if differs:
        raise ConfigError(
            f"The two models belong to experiments with another {differs[0]}, so their tokens can't be compared one "
            "by one; choose two of the same experiment."
        )
