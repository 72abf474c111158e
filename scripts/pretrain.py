"""Pretrain the embedded model: `python scripts/pretrain.py CORPUS_FOLDER --out models/tiny-gpt2`.

CORPUS_FOLDER holds UTF-8 `.txt` files whose documents are separated by two blank lines. Every 40th
document is held out. The script trains a byte-level BPE on the rest, then a GPT-2 on the token
stream, and writes model, tokenizer, training curve and the figures of the model card. The same
corpus, seed and machine give the same model.
"""

import argparse
import csv
import json
import math
import random
import re
import time
from collections import Counter, defaultdict
from pathlib import Path

import torch
import torch.nn.functional as F
from tokenizers import ByteLevelBPETokenizer
from transformers import AutoModelForCausalLM, GPT2Config, GPT2LMHeadModel, GPT2TokenizerFast

CONTEXT = 256
END_OF_TEXT = "<|endoftext|>"
HELD_OUT_EVERY = 40
PROMPTS = ("The people of", "It was a dark and", "Our government must", "The sea", "I have the honor to")


def read_documents(folder: Path) -> tuple[list[str], list[str]]:
    """Training and held-out documents of every `.txt` under `folder`, in the order of names."""
    documents = []
    for path in sorted(folder.glob("*.txt")):
        text = path.read_text(encoding="utf-8")
        documents += [part.strip() for part in re.split(r"\n{3,}", text) if part.strip()]
    held_out = documents[HELD_OUT_EVERY // 2 :: HELD_OUT_EVERY]
    return [d for i, d in enumerate(documents) if (i - HELD_OUT_EVERY // 2) % HELD_OUT_EVERY], held_out


def split_into_passages(text: str, rng: random.Random) -> list[str]:
    """Cut a long document at sentence ends into passages of 1 to 24 sentences.

    Users' documents are short: the model must have seen many beginnings and ends.
    """
    sentences = re.split(r"(?<=[.!?]) +", text)
    passages, start = [], 0
    while start < len(sentences):
        size = rng.randint(1, 24)
        passages.append(" ".join(sentences[start : start + size]))
        start += size
    return passages


def train_tokenizer(documents: list[str], vocabulary: int, out: Path) -> GPT2TokenizerFast:
    """A byte-level BPE: any text is spelled in bytes at worst, so nothing is ever unknown."""
    bpe = ByteLevelBPETokenizer()
    bpe.train_from_iterator(documents, vocab_size=vocabulary, special_tokens=[END_OF_TEXT], show_progress=False)
    out.mkdir(parents=True, exist_ok=True)
    bpe.save_model(str(out))
    tokenizer = GPT2TokenizerFast(
        vocab=str(out / "vocab.json"), merges=str(out / "merges.txt"), model_max_length=CONTEXT
    )
    for leftover in ("vocab.json", "merges.txt"):
        (out / leftover).unlink()
    tokenizer.save_pretrained(out)
    return tokenizer


def encode_stream(tokenizer: GPT2TokenizerFast, documents: list[str]) -> torch.Tensor:
    """int64 [N]: each document's tokens, preceded by the end-of-text token."""
    end = tokenizer.eos_token_id
    encoded = tokenizer(documents, add_special_tokens=False, verbose=False)["input_ids"]
    return torch.tensor([token for ids in encoded for token in (end, *ids)] + [end])


def windows(stream: torch.Tensor, offset: int) -> torch.Tensor:
    """[n, CONTEXT + 1]: consecutive windows that overlap by the one token both need."""
    return stream[offset:].unfold(0, CONTEXT + 1, CONTEXT)


class Objective(torch.nn.Module):
    """Mean negative log-likelihood in nats per token of a batch of windows [B, CONTEXT + 1]."""

    def __init__(self, model: GPT2LMHeadModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        hidden = self.model.transformer(input_ids=batch[:, :-1], use_cache=False).last_hidden_state
        logits = self.model.lm_head(hidden).float()
        return F.cross_entropy(logits.flatten(0, 1), batch[:, 1:].flatten())


@torch.no_grad()
def held_out_nats(objective: torch.nn.Module, stream: torch.Tensor) -> float:
    """Total nats of every target of `stream`, in float32."""
    whole, total = windows(stream, 0), 0.0
    for batch in whole.split(32):
        total += objective(batch).item() * batch.shape[0] * CONTEXT
    rest = stream[whole.shape[0] * CONTEXT :]
    return total + (objective(rest[None]).item() * (len(rest) - 1) if len(rest) > 1 else 0.0)


def kneser_ney_nats(train: list[int], held_out: list[int], vocabulary: int, order: int = 4) -> float:
    """Total nats of `held_out` under an interpolated Kneser-Ney n-gram model of `train`.

    One absolute discount per order, d = n1 / (n1 + 2 n2) (Chen and Goodman 1999, eq. 14), continuation
    counts below the highest order, the uniform distribution below the unigrams.
    """
    levels: list[tuple[Counter[tuple[int, ...]], dict[tuple, int], dict[tuple, int], float]] = []
    for n in range(order, 0, -1):
        if n == order:
            counts = Counter(zip(*(train[i:] for i in range(n)), strict=False))
        else:
            counts = Counter(gram[1:] for gram in levels[-1][0])
        totals: dict[tuple, int] = defaultdict(int)
        kinds: dict[tuple, int] = defaultdict(int)
        for gram, count in counts.items():
            totals[gram[:-1]] += count
            kinds[gram[:-1]] += 1
        spectrum = Counter(counts.values())
        discount = spectrum[1] / max(spectrum[1] + 2 * spectrum[2], 1) or 0.5
        levels.append((counts, totals, kinds, discount))
    nats = 0.0
    for position in range(1, len(held_out)):
        probability = 1.0 / vocabulary
        for counts, totals, kinds, discount in reversed(levels):
            n = len(next(iter(counts)))
            if position < n - 1:
                break
            gram = tuple(held_out[position - n + 1 : position + 1])
            total = totals.get(gram[:-1], 0)
            if not total:
                break
            backoff = discount * kinds[gram[:-1]] / total
            probability = max(counts.get(gram, 0) - discount, 0.0) / total + backoff * probability
        nats -= math.log(probability)
    return nats


def learning_rate_at(step: int, steps: int, peak: float) -> float:
    """Linear warm-up over 2% of the steps, then a cosine down to 5% of the peak."""
    warmup = max(1, steps // 50)
    if step < warmup:
        return peak * (step + 1) / warmup
    progress = (step - warmup) / max(1, steps - warmup)
    return peak * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * progress)))


def make_optimizers(model: GPT2LMHeadModel, learning_rate: float) -> list[torch.optim.Optimizer]:
    """Muon (Jordan 2024) for the matrices inside the layers, AdamW for embeddings, norms and biases.

    With updates scaled to AdamW's size both take one learning rate.
    """
    matrices = [p for p in model.transformer.h.parameters() if p.dim() == 2]
    embeddings = list(model.transformer.wte.parameters()) + list(model.transformer.wpe.parameters())
    vectors = [p for p in model.parameters() if p.dim() < 2]
    groups = [{"params": embeddings, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}]
    return [
        torch.optim.Muon(matrices, lr=learning_rate, weight_decay=0.1, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(groups, lr=learning_rate, betas=(0.9, 0.95), fused=True),
    ]


def train(
    model: GPT2LMHeadModel, stream: torch.Tensor, held_out: torch.Tensor, args: argparse.Namespace, curve: Path
) -> None:
    """Train for `args.tokens` tokens; writes a row of the curve at each evaluation."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model.to(device).train()
    stream, held_out = stream.to(device), held_out.to(device)
    objective = Objective(model)
    fast = torch.compile(objective) if args.compile else objective
    optimizers = make_optimizers(model, args.learning_rate)
    order = torch.Generator().manual_seed(args.seed)
    steps = args.tokens // (args.batch * CONTEXT)
    queue = torch.empty(0, CONTEXT + 1, dtype=torch.long, device=device)
    started, running = time.monotonic(), 0.0
    with curve.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["step", "tokens", "train_nats_per_token", "held_out_nats_per_token", "seconds"])
        for step in range(steps):
            if len(queue) < args.batch:
                offset = int(torch.randint(CONTEXT, (1,), generator=order))
                epoch = windows(stream, offset)
                queue = torch.cat([queue, epoch[torch.randperm(len(epoch), generator=order).to(device)]])
            batch, queue = queue[: args.batch], queue[args.batch :]
            rate = learning_rate_at(step, steps, args.learning_rate)
            for optimizer in optimizers:
                for group in optimizer.param_groups:
                    group["lr"] = rate
            with torch.autocast(device.type, torch.bfloat16, enabled=args.bf16):
                loss = fast(batch)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            for optimizer in optimizers:
                optimizer.step()
            model.zero_grad(set_to_none=True)
            running = loss.item() if step == 0 else 0.98 * running + 0.02 * loss.item()
            if (step + 1) % args.evaluate_every == 0 or step + 1 == steps:
                model.eval()
                nats = held_out_nats(objective, held_out) / (len(held_out) - 1)
                model.train()
                seconds = round(time.monotonic() - started, 1)
                rows.writerow([step + 1, (step + 1) * args.batch * CONTEXT, round(running, 4), round(nats, 4), seconds])
                file.flush()
                print(f"step {step + 1}/{steps}  train {running:.3f}  held out {nats:.3f}  {seconds} s", flush=True)
    model.cpu().eval()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--out", type=Path, default=Path("models/tiny-gpt2"))
    parser.add_argument("--tokens", type=int, default=22_000_000)
    parser.add_argument("--vocabulary", type=int, default=4096)
    parser.add_argument("--width", type=int, default=192)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--heads", type=int, default=6)
    parser.add_argument("--batch", type=int, default=16, help="windows of 256 tokens per step")
    parser.add_argument("--learning-rate", type=float, default=4e-3)
    parser.add_argument("--evaluate-every", type=int, default=250)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--bf16", action="store_true")
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    train_documents, held_out_documents = read_documents(args.corpus)
    rng = random.Random(args.seed)
    passages = [p for document in train_documents for p in split_into_passages(document, rng)]
    tokenizer = train_tokenizer(passages, args.vocabulary, args.out)
    stream, held_out = encode_stream(tokenizer, passages), encode_stream(tokenizer, held_out_documents)
    held_out_bytes = sum(len(d.encode()) for d in held_out_documents)
    print(f"{len(stream)} training tokens, {len(held_out)} held out ({held_out_bytes} bytes)", flush=True)
    baseline = kneser_ney_nats(stream.tolist(), held_out.tolist(), args.vocabulary)
    print(f"4-gram baseline: {baseline / math.log(2) / held_out_bytes:.4f} bits per byte", flush=True)

    end = tokenizer.eos_token_id
    config = GPT2Config(
        vocab_size=len(tokenizer), n_positions=CONTEXT, n_embd=args.width, n_layer=args.layers, n_head=args.heads,
        # The same function as GPT-2's gelu_new, in one kernel: the whole step is a third faster on a CPU.
        activation_function="gelu_pytorch_tanh",
        resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0, bos_token_id=end, eos_token_id=end,
    )  # fmt: skip
    model = GPT2LMHeadModel(config)
    train(model, stream, held_out, args, args.out / "training_curve.csv")
    model.save_pretrained(args.out)

    model = AutoModelForCausalLM.from_pretrained(args.out, dtype=torch.float32).eval()
    nats = held_out_nats(Objective(model), held_out)
    torch.manual_seed(args.seed)
    samples = []
    for prompt in PROMPTS:
        inputs = tokenizer(prompt, return_tensors="pt")
        output = model.generate(
            **inputs, max_new_tokens=60, do_sample=True, top_k=40, temperature=0.8, pad_token_id=end
        )
        samples.append(tokenizer.decode(output[0]))
    figures = {
        "parameters": sum(p.numel() for p in model.parameters()),
        "training_stream_tokens": len(stream),
        "tokens_trained": args.tokens,
        "held_out_tokens": len(held_out) - 1,
        "held_out_bytes": held_out_bytes,
        "held_out_nats_per_token": nats / (len(held_out) - 1),
        "held_out_bits_per_byte": nats / math.log(2) / held_out_bytes,
        "four_gram_bits_per_byte": baseline / math.log(2) / held_out_bytes,
        "settings": {
            k: str(v) if isinstance(v, Path) else v for k, v in vars(args).items() if k not in ("corpus", "out")
        },
        "samples": samples,
    }
    (args.out / "figures.json").write_text(json.dumps(figures, indent=2) + "\n")
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
