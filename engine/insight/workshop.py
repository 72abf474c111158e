"""What requests are worked out with: loaded models, the held-out documents of tasks, and results kept by content."""

import contextlib
import json
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from safetensors import SafetensorError

from engine.common.errors import ConfigError
from engine.common.quoting import quoted
from engine.driving.recorded_inputs import refuse_other_texts
from engine.execution.execute import scored_documents
from engine.execution.task_tokens import TaskTokens, TokensOf, task_tokens
from engine.insight.kept_results import JSON_FILE, kept_name, kept_results
from engine.insight.measures.token_scores import TokenScores, token_scores
from engine.insight.sources import Found
from engine.insight.telling import Tell, Told
from engine.models.loading import LoadedModel, load_tokenizer
from engine.persistence.content_keys import content_key
from engine.persistence.shared_results import SharedResults
from engine.store import Store
from engine.tokens.encoded_documents import EncodedDocuments

_SCORES = "scores.safetensors"
_MODELS = 2
"""That are kept in memory."""

_Kept = TypeVar("_Kept")


@dataclass(frozen=True, eq=False)
class HeldOutDocuments:
    """The held-out documents of a task that a run is scored on, in its base model's tokens."""

    task: str
    tokens: TokensOf
    documents: EncodedDocuments
    content: str
    """Names the documents and their tokens by what determines them."""


class Workshop:
    """Keeps what the next request may need; for one thread."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._results = kept_results(store.folder)
        self._tokens = SharedResults(store.shared_folder)
        self._models: OrderedDict[str, LoadedModel] = OrderedDict()

    def loaded(self, found: Found) -> LoadedModel:
        """The source's model, of which few are kept."""
        if found.content in self._models:
            self._models.move_to_end(found.content)
        else:
            while len(self._models) >= _MODELS:
                self._models.popitem(last=False)
            self._models[found.content] = found.load()
        return self._models[found.content]

    def held_out(self, found: Found, task: str) -> HeldOutDocuments:
        """Those of a task of the source's experiment, as its run is scored on them. Raises ConfigError, TaskError,
        StoreError where the texts are no longer those."""
        experiment, training = found.experiment, found.experiment.training
        spec = next((spec for spec in experiment.tasks if spec.name == task), None)
        if spec is None:
            raise ConfigError(f"{quoted(task)} is no task of the experiment {quoted(experiment.name)}.")
        base = TokensOf.from_tokenizer(experiment.model, load_tokenizer(experiment.model))
        tokens = task_tokens(spec, base, self._tokens, training.block_size)
        self._refuse_other_texts(found, tokens)
        documents = scored_documents(tokens, training, found.run.seed)
        is_drawn = len(documents) < len(tokens.held_out)
        draw = [found.run.seed, training.held_out_tokens, tokens.name] if is_drawn else None
        content = content_key("held out", tokens.held_out_fingerprint, training.block_size, draw)
        return HeldOutDocuments(task, base, documents, content)

    def _refuse_other_texts(self, found: Found, tokens: TaskTokens) -> None:
        recorded = [
            {"name": fact["name"], "held_out_fingerprint": fact.get("held_out_fingerprint")}
            for fact in self.store.run_task_facts(found.source.run_id)
            if fact["name"] == tokens.name
        ]
        now = {"name": tokens.name, "held_out_fingerprint": tokens.held_out_fingerprint}
        refuse_other_texts(recorded, [now], "is not what this run was scored on, so that nothing can be said of it")

    def token_scores(self, found: Found, texts: HeldOutDocuments, tell: Tell) -> TokenScores:
        """The source's scores of every token of the documents, computed once."""
        words = f"{found.words} reads {texts.task}"
        block_size = found.experiment.training.block_size

        def compute() -> TokenScores:
            base = self.loaded(found)
            return token_scores(base, texts.documents, block_size, lambda done, of: tell(Told(words, done, of)))

        key = content_key("token scores", found.content, texts.content)
        return self.kept(
            key,
            compute,
            lambda made, folder: made.write(folder / _SCORES),
            lambda folder: TokenScores.read(folder / _SCORES),
        )

    def kept_plain(self, key: str, compute: Callable[[], Any]) -> Any:
        """As `kept`, of plain data."""

        def write(made: Any, folder: Path) -> None:
            (folder / JSON_FILE).write_text(json.dumps(made), encoding="utf-8")

        return self.kept(
            key, compute, write, lambda folder: json.loads((folder / JSON_FILE).read_text(encoding="utf-8"))
        )

    def kept(
        self,
        key: str,
        compute: Callable[[], _Kept],
        write: Callable[[_Kept, Path], Any],
        read: Callable[[Path], _Kept],
    ) -> _Kept:
        """What was computed and written before under this name, else what is now."""
        made: list[_Kept] = []

        def make(folder: Path) -> None:
            made.append(compute())
            write(made[0], folder)

        folder = self._results.files(kept_name(key), make)
        if made:
            return made[0]
        if folder is not None:
            with contextlib.suppress(OSError, ValueError, SafetensorError):  # cleared meanwhile
                return read(folder)
        return compute()
