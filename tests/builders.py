"""Small models and documents that tests compute by hand with."""

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import torch
from torch import Tensor
from transformers import GPT2Config, GPT2LMHeadModel

from engine.events.control import Control
from engine.experiments.training import Training
from engine.models import adapters
from engine.models.loading import LoadedModel
from engine.strategies.base import Batch, StageView, Strategy
from engine.strategies.tools.fisher import diagonal_fisher
from engine.strategies.tools.memory import Memory
from engine.tokens.blocks import Blocks, EncodedDocument, cut, pack
from engine.training.reference import EncodedReference
from engine.training.run_state import EncodedTask, RunSetup
from engine.training.scoring import prepare

VOCABULARY = 32
BLOCK = 16


class Unigram(torch.nn.Module):
    """p(x) = softmax(logits)[x] whatever the context: a language model whose Fisher and optima are known."""

    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        self.logits = torch.nn.Parameter(torch.zeros(vocabulary))
        text_config = SimpleNamespace(vocab_size=vocabulary)
        self.config = SimpleNamespace(get_text_config=lambda: text_config)
        self.device = torch.device("cpu")

    def num_parameters(self) -> int:
        return self.logits.numel()

    def forward(
        self, input_ids: Tensor, position_ids: Tensor | None = None, use_cache: bool = False
    ) -> SimpleNamespace:
        return SimpleNamespace(logits=self.logits.expand(*input_ids.shape, -1))

    def probabilities(self) -> Tensor:
        return self.logits.detach().softmax(-1)


def tiny_gpt2(seed: int = 0, dropout: float = 0.0, vocabulary: int = VOCABULARY) -> GPT2LMHeadModel:
    """A GPT-2 of two layers with random weights."""
    torch.manual_seed(seed)
    config = GPT2Config(
        vocab_size=vocabulary, n_positions=64, n_embd=16, n_layer=2, n_head=2, bos_token_id=0, eos_token_id=0,
        resid_pdrop=dropout, embd_pdrop=dropout, attn_pdrop=dropout, initializer_range=0.2,
    )  # fmt: skip
    return GPT2LMHeadModel(config)


def base_of(model: torch.nn.Module) -> LoadedModel:
    """A model as the loop takes it."""
    tokenizer = SimpleNamespace(save_pretrained=lambda folder: None)
    return LoadedModel("tiny", model, tokenizer, 0, 0, 64, packed=True)  # type: ignore[arg-type]


def loaded(checkpoint: Path | None) -> LoadedModel:
    """The tiny GPT-2, or what a run has made of it."""
    model = tiny_gpt2()
    if checkpoint is not None and (checkpoint / "config.json").is_file():
        model = GPT2LMHeadModel.from_pretrained(checkpoint, adapter_kwargs=adapters.UNSOUGHT)
    if checkpoint is not None and adapters.is_adapter(checkpoint):
        adapters.load_onto(model, checkpoint)
    return base_of(model)


def document(tokens: Sequence[int], first_target: int = 1) -> EncodedDocument:
    """The tokens as a document; bos must be among them."""
    return EncodedDocument(torch.tensor(tokens, dtype=torch.int32), first_target, text_bytes=len(tokens))


def random_documents(
    count: int, seed: int, longest: int = 12, low: int = 1, high: int = VOCABULARY
) -> list[EncodedDocument]:
    """Documents of 2 to `longest` tokens drawn from [low, high)."""
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(2, longest + 1, (count,), generator=generator).tolist()
    return [document([0, *torch.randint(low, high, (n,), generator=generator).tolist()]) for n in lengths]


def blocks_of(documents: Sequence[EncodedDocument], block_size: int = BLOCK) -> Blocks:
    return pack([piece for d in documents for piece in cut(d, block_size)], block_size)


def drawn_from(memory: Memory, targets: int, block_size: int = BLOCK, seed: int = 0) -> Blocks | None:
    """What stands beside a batch of so many target tokens, as many as it has."""
    batch = Batch(blocks_of([document([0, *[1] * targets])]), 2, 1, block_size, packed=True)
    return memory.beside(batch, 1.0, torch.Generator().manual_seed(seed))


def encoded_task(name: str, seed: int, count: int = 24, **drawn: int) -> EncodedTask:
    """A task of random documents, a quarter of them held out."""
    documents = random_documents(count, seed, **drawn)
    train, held_out = documents[count // 4 :], documents[: count // 4]
    key = f"{name} {seed} {count} {drawn}"
    return EncodedTask(name, tuple(train), blocks_of(train), prepare(held_out, BLOCK, 40), {"name": name}, key, key)


def fisher_of(
    model: torch.nn.Module,
    documents: Sequence[EncodedDocument],
    block_size: int = BLOCK,
    targets: Literal["empirical", "sampled"] = "empirical",
    generator: torch.Generator | None = None,
    **view: Any,
) -> dict[str, Tensor]:
    """The Fisher information of documents; `view` gives further fields of the stage's view."""
    settings: dict[str, Any] = {"packed": True, "check": lambda: None} | view
    end = StageView(1, model, documents, block_size, **settings)  # type: ignore[arg-type]
    return diagonal_fisher(end, documents, targets, generator)


def small_setup(strategy: Strategy, folder: Path, tasks: int = 3, **changes: object) -> RunSetup:
    """A run over random tasks with disjoint vocabularies on a tiny GPT-2, and a reference text of all of them for
    strategies that read one; `changes` go to the training settings."""
    settings: dict[str, object] = {
        "epochs": 2, "learning_rate": 1e-2, "block_size": BLOCK, "tokens_per_step": 64, "evaluations_per_stage": 2,
        "warmup_share": 0.1, "device": "cpu",
    }  # fmt: skip
    width = (VOCABULARY - 1) // tasks

    encoded = [encoded_task(f"task {t}", seed=t, low=1 + t * width, high=1 + (t + 1) * width) for t in range(tasks)]
    return RunSetup(
        load_model=loaded,
        tasks=tuple(encoded),
        strategy=strategy,
        training=Training(**(settings | changes)),  # type: ignore[arg-type]
        seed=0,
        folder=folder,
        control=Control(),
        environment={},
        precision="float32",
        reference=EncodedReference(tuple(random_documents(20, seed=99)), "a reference"),
    )
