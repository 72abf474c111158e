"""Whole runs and their optimiser against plain torch code that is written out here."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor
from transformers import GPT2LMHeadModel

from engine import events, strategies
from engine.common.overrides import Overrides
from engine.common.random_streams import Streams
from engine.experiments.settings_of_stage import settings_of_stage
from engine.experiments.training import Training
from engine.strategies.terms import Term
from engine.training.gradients import accumulate_gradients, clip
from engine.training.loop import train
from engine.training.optimizer import learning_rate_at, make_optimizer, metric_of
from engine.training.run_state import EncodedTask, RunSetup
from engine.training.scoring import prepare
from engine.training.stage_data import stage_data
from tests.builders import BLOCK, base_of, blocks_of, document, random_documents, small_setup, tiny_gpt2

RATE, DECAY, CLIP, LAMBDA, GAMMA = 1e-2, 0.3, 0.5, 30.0, 0.5
BETAS, EPS = (0.9, 0.999), 1e-8
ROWS, EPOCHS = 6, 3

Tensors = dict[str, Tensor]


def token_rows(task: int) -> Tensor:
    """Documents of one row each: bos and as many tokens as a block predicts, [ROWS, BLOCK + 1]."""
    drawn = torch.randint(1 + 10 * task, 11 + 10 * task, (ROWS, BLOCK), generator=torch.Generator().manual_seed(task))
    return torch.cat([torch.zeros(ROWS, 1, dtype=torch.long), drawn], 1)


def whole_batches(name: str, parameters: Mapping[str, Any], folder: Path, **changes: Any) -> RunSetup:
    """A run over three tasks whose every step takes all rows of its task, so that their order does not matter."""
    tasks = []
    for number in range(3):
        documents = [document(row) for row in token_rows(number).tolist()]
        held_out = prepare(documents[:3], BLOCK, 40)
        tasks.append(EncodedTask(f"task {number}", tuple(documents), blocks_of(documents), held_out))
    settings: dict[str, Any] = {
        "epochs": EPOCHS, "learning_rate": RATE, "weight_decay": DECAY, "gradient_clip": CLIP, "warmup_share": 0.5,
        "decay": "cosine", "tokens_per_step": ROWS * BLOCK, "evaluations_per_stage": 1,
    }  # fmt: skip
    setup = small_setup(strategies.build(name, parameters), folder, **(settings | changes))
    return replace(setup, tasks=tuple(tasks))


def nats(model: GPT2LMHeadModel, rows: Tensor) -> Tensor:
    logits = model(input_ids=rows[:, :-1]).logits
    return F.cross_entropy(logits.flatten(0, 1), rows[:, 1:].flatten(), reduction="sum")


def gradients_of(model: GPT2LMHeadModel, rows: Tensor) -> Tensors:
    model.zero_grad()
    nats(model, rows).backward()
    return {name: p.grad.clone() for name, p in model.named_parameters()}


def fisher_of(model: GPT2LMHeadModel, rows: Tensor) -> Tensors:
    """(1/N) Σ_d (∇ Σ_i −log p)², N target tokens."""
    squares = [{n: g.square() for n, g in gradients_of(model, row[None]).items()} for row in rows]
    return {name: sum(each[name] for each in squares) / rows[:, 1:].numel() for name in squares[0]}


def train_stage(
    model: GPT2LMHeadModel,
    rows: Tensor,
    pull: tuple[Tensors, Tensors] | None = None,
    after: Callable[[int], None] = lambda step: None,
) -> None:
    """AdamW (Loshchilov and Hutter 2019, algorithm 2) on clipped gradients of the mean loss, each step followed by
    θ ← (Dθ + λAμ) / (D + λA) with D = (√v̂ + ε) / η, and by `after`."""
    m = {name: torch.zeros_like(p) for name, p in model.named_parameters()}
    v = {name: torch.zeros_like(p) for name, p in model.named_parameters()}
    # Three steps, of which ⌈1.5⌉ = 2 warm up; cosine over the rest, to 0 after the last: ½(1 − cos(π · ½)) = ½.
    for step, rate in enumerate((RATE / 2, RATE, RATE / 2), start=1):
        gradient = {name: g / rows[:, 1:].numel() for name, g in gradients_of(model, rows).items()}
        norm = sum(float(g.square().sum()) for g in gradient.values()) ** 0.5
        assert norm > CLIP
        for name, p in model.named_parameters():
            g = gradient[name] * CLIP / norm
            m[name] = BETAS[0] * m[name] + (1 - BETAS[0]) * g
            v[name] = BETAS[1] * v[name] + (1 - BETAS[1]) * g.square()
            held = ((v[name] / (1 - BETAS[1] ** step)).sqrt() + EPS) / rate
            decayed = p.data * (1 - rate * DECAY) if p.dim() > 1 else p.data
            p.data = decayed - m[name] / (1 - BETAS[0] ** step) / held
            if pull is not None:
                a, mu = pull[0][name], pull[1][name]
                p.data = (held * p.data + LAMBDA * a * mu) / (held + LAMBDA * a)
        after(step)


def weights_of(model: GPT2LMHeadModel) -> Tensors:
    return {name: p.detach().clone() for name, p in model.named_parameters()}


def ewc_by_hand(accumulation: str) -> Tensors:
    """Σ_t F_t (θ − θ*_t)² of all past tasks, or γF_1 + F_2 about the newest weights."""
    model, fishers, optima = tiny_gpt2().eval(), [], []
    for task in range(3):
        pull = None
        if task:
            online = accumulation == "online"
            scales = [GAMMA ** (task - 1 - t) if online else 1.0 for t in range(task)]
            a = {n: sum(s * f[n] for s, f in zip(scales, fishers, strict=True)) for n in fishers[0]}
            weighted = {n: sum(f[n] * o[n] for f, o in zip(fishers, optima, strict=True)) for n in a}
            exact = {n: torch.where(a[n] > 0, weighted[n] / a[n], 0.0) for n in a}
            pull = a, optima[-1] if online else exact
        train_stage(model, token_rows(task), pull)
        fishers.append(fisher_of(model, token_rows(task)))
        optima.append(weights_of(model))
    return optima[-1]


def assert_reached(folder: Path, expected: Tensors) -> None:
    """The last checkpoint holds `expected`. A key's bias changes no probability: its gradient is rounding alone."""
    found, start = load_file(folder / "stage-3" / "model.safetensors"), weights_of(tiny_gpt2())
    for name, wanted in expected.items():
        used = slice(None) if not name.endswith("c_attn.bias") else [*range(16), *range(32, 48)]
        moved, off = (wanted - start[name])[used].norm(), (found[name] - wanted)[used].norm()
        assert off < 0.005 * moved, name


@pytest.mark.parametrize("accumulation", ["exact", "online"])
def test_ewc_over_three_tasks_is_adamw_then_the_closed_proximal_step(accumulation: str, tmp_path: Path) -> None:
    parameters = {"ewc_lambda": LAMBDA, "accumulation": accumulation, "online_decay": GAMMA}
    list(train(whole_batches("ewc", parameters, tmp_path)))
    assert_reached(tmp_path, ewc_by_hand(accumulation))


@pytest.mark.parametrize("reference", ["previous", "base"])
def test_l2_over_three_tasks_is_adamw_then_the_closed_proximal_step(reference: str, tmp_path: Path) -> None:
    share = 0.01
    list(train(whole_batches("l2", {"l2_lambda": share * LAMBDA, "reference": reference}, tmp_path)))
    model = tiny_gpt2().eval()
    base = weights_of(model)
    ones = {name: torch.full_like(each, share) for name, each in base.items()}
    for task in range(3):
        centre = base if reference == "base" else weights_of(model)
        train_stage(model, token_rows(task), (ones, centre) if task or reference == "base" else None)
    assert_reached(tmp_path, weights_of(model))


def test_averaging_over_three_tasks_is_adamw_whose_moments_go_on_from_the_average(tmp_path: Path) -> None:
    """Half of three steps, rounded, and the end: after the second and the third, from the second stage on."""
    beta = 0.25
    list(train(whole_batches("averaging", {"averaging_weight": beta, "every_share": 0.5}, tmp_path)))
    model = tiny_gpt2().eval()
    for task in range(3):
        start = weights_of(model)

        def average(step: int, start: Tensors = start, from_step: int = 2 if task else 4) -> None:
            for name, p in model.named_parameters() if step >= from_step else ():
                p.data = (1 - beta) * p.data + beta * start[name]

        train_stage(model, token_rows(task), after=average)
    assert_reached(tmp_path, weights_of(model))


def test_reptile_over_three_tasks_goes_a_share_of_the_way_of_two_steps_and_of_the_one_that_is_left(
    tmp_path: Path,
) -> None:
    gamma = 0.3
    list(train(whole_batches("reptile", {"meta_rate": gamma, "every_steps": 2}, tmp_path)))
    model = tiny_gpt2().eval()
    slow = weights_of(model)

    def go(step: int) -> None:
        for name, p in model.named_parameters() if step >= 2 else ():
            slow[name] = slow[name] + gamma * (p.data - slow[name])
            p.data = slow[name].clone()

    for task in range(3):
        train_stage(model, token_rows(task), after=go)
    assert_reached(tmp_path, weights_of(model))


def test_joint_is_adamw_from_the_base_model_on_all_tasks(tmp_path: Path) -> None:
    list(train(whole_batches("joint", {}, tmp_path, tokens_per_step=3 * ROWS * BLOCK, epochs=1)))
    model = tiny_gpt2().eval()
    rows = torch.cat([token_rows(task) for task in range(3)])
    gradient = {name: g / rows[:, 1:].numel() for name, g in gradients_of(model, rows).items()}
    norm = sum(float(g.square().sum()) for g in gradient.values()) ** 0.5
    # One step, which is all of the warm-up: m̂ = g and √v̂ = |g| of the clipped gradient g.
    for name, p in model.named_parameters():
        g = gradient[name] * CLIP / norm
        p.data = p.data * (1 - RATE * DECAY if p.dim() > 1 else 1.0) - RATE * g / (g.abs() + EPS)
    assert_reached(tmp_path, weights_of(model))


@pytest.mark.parametrize("steps", [1, 2, 7])
def test_the_metric_is_adamws_root_mean_square_over_its_rate(steps: int) -> None:
    model = tiny_gpt2()
    optimizer = make_optimizer(model, Training(learning_rate=RATE))
    weight, second = model.transformer.h[0].mlp.c_fc.weight, 0.0
    for step in range(1, steps + 1):
        gradient = torch.randn(weight.shape, generator=torch.Generator().manual_seed(step))
        gradient[:, ::2] *= 1e-8  # where ε counts
        second = BETAS[1] * second + (1 - BETAS[1]) * gradient.square()
        weight.grad = gradient
        optimizer.step()
    expected = ((second / (1 - BETAS[1] ** steps)).sqrt() + EPS) / RATE
    assert torch.allclose(metric_of(optimizer)(weight, slice(0, 50)), expected.flatten()[:50], rtol=1e-4, atol=0.0)


def test_a_weight_that_no_gradient_has_reached_is_not_pulled() -> None:
    model = tiny_gpt2()
    optimizer = make_optimizer(model, Training(learning_rate=RATE))
    held = metric_of(optimizer)(model.transformer.wpe.weight, slice(0, 3))
    assert torch.equal(held / (held + 1e12), torch.ones(3))


def test_adamws_step_is_the_one_of_the_paper_and_decay_spares_biases_and_norms() -> None:
    model = tiny_gpt2()
    optimizer = make_optimizer(model, Training(learning_rate=RATE, weight_decay=DECAY))
    start = weights_of(model)
    gradient = {name: torch.full_like(p, 1e-8) for name, p in model.named_parameters()}
    for name, p in model.named_parameters():
        p.grad = gradient[name]
    optimizer.step()
    for name, p in model.named_parameters():
        kept = 1 - RATE * DECAY if p.dim() > 1 else 1.0
        # m̂ / (√v̂ + ε) = 1e-8 / (1e-8 + ε) = ½
        assert torch.allclose(p.detach(), start[name] * kept - RATE / 2, atol=1e-6), name


@pytest.mark.parametrize("scale", [0.5, 1.0, 3.0, 100.0])
def test_clipping_scales_all_gradients_to_the_limit_and_leaves_smaller_ones(scale: float) -> None:
    parts = [torch.nn.Parameter(torch.zeros(2)), torch.nn.Parameter(torch.zeros(1)), torch.nn.Parameter(torch.zeros(3))]
    parts[0].grad, parts[1].grad = torch.tensor([0.0, 0.6]) * scale, torch.tensor([0.8]) * scale
    assert float(clip(parts, 1.0)) == pytest.approx(scale)
    by = min(1.0, 1 / scale)
    assert parts[0].grad.tolist() == pytest.approx([0.0, 0.6 * scale * by])
    assert parts[1].grad.tolist() == pytest.approx([0.8 * scale * by])
    assert parts[2].grad is None
    assert float(clip(parts, None)) == pytest.approx(scale * by)


def test_the_learning_rate_is_a_line_up_and_half_a_cosine_or_a_line_down() -> None:
    def rates(steps: int, **settings: Any) -> list[float]:
        training = Training(learning_rate=0.8, **settings)
        return [learning_rate_at(step, steps, 0.8, training) for step in range(1, steps + 1)]

    assert rates(4, warmup_share=0.5)[:2] == pytest.approx([0.4, 0.8])
    assert rates(3, warmup_share=0.0, decay="linear") == pytest.approx([0.6, 0.4, 0.2])
    # Steps 4 … 6 of 6 after a warm-up of ⌈0.4 · 6⌉ = 3: ¾, ½ and ¼ of the way to go; (1 − cos ¾π) / 2 = 0.853553
    assert rates(6, warmup_share=0.4, decay="cosine")[3:] == pytest.approx([0.682843, 0.4, 0.117157], rel=1e-5)
    assert rates(6, warmup_share=0.4, decay="linear")[3:] == pytest.approx([0.6, 0.4, 0.2])
    assert rates(6, warmup_share=0.4, decay="constant")[2:] == pytest.approx([0.8] * 4)


def test_the_reported_means_are_each_over_their_own_tokens() -> None:
    model = tiny_gpt2().eval()
    new, old = token_rows(0), token_rows(1)[:2, :5]
    rows = [blocks_of([document(row) for row in part.tolist()]) for part in (new, old)]
    terms = [Term("new", rows[0]), Term("replay", rows[1].select(torch.arange(1)), 0.3)]
    assert terms[1].blocks.width < terms[0].blocks.width
    found = accumulate_gradients(base_of(model), terms)
    assert float(found["new"]) == pytest.approx(float(nats(model, new).detach()) / (ROWS * BLOCK), rel=1e-5)
    assert float(found["replay"]) == pytest.approx(float(nats(model, old).detach()) / (2 * 4), rel=1e-5)


def test_dropout_is_drawn_anew_at_every_step_and_again_for_the_same_seed(tmp_path: Path) -> None:
    def losses(seed: int, folder: str) -> list[float]:
        setup = whole_batches("naive", {}, tmp_path / folder, learning_rate=1e-8)
        same_rows = blocks_of([document(token_rows(0)[0].tolist())] * ROWS)  # their order changes nothing
        loaded = replace(
            setup, seed=seed, load_model=lambda checkpoint: base_of(tiny_gpt2(dropout=0.3)),
            tasks=tuple(replace(task, blocks=same_rows) for task in setup.tasks),
        )  # fmt: skip
        return [e.terms["new"] for e in train(loaded) if isinstance(e, events.StepDone) and e.stage == 1]

    first = losses(0, "a")
    assert len(set(first)) == EPOCHS  # the same rows and, but for 1e-8, the same weights
    torch.rand(7)
    assert losses(0, "b") == first
    assert not set(losses(1, "c")) & set(first)


def test_every_epoch_reads_every_row_once_in_an_order_of_its_own() -> None:
    rows = blocks_of(random_documents(200, seed=1))
    training = Training(block_size=BLOCK, tokens_per_step=32, epochs=3)
    stages = [
        stage_data(
            [rows], settings_of_stage(training, Overrides(), [Overrides()]), training, Streams(seed), stage
        ).order
        for seed, stage in ((0, 1), (0, 2), (1, 1))
    ]
    epochs = [epoch for order in stages for epoch in order.split(len(rows))]
    assert len(epochs) == 9
    assert all(torch.equal(epoch.sort().values, torch.arange(len(rows))) for epoch in epochs)
    assert len({tuple(epoch.tolist()) for epoch in epochs}) == 9
    # Of a random order a share of 1/n rows stands where it stood, in the mean one row.
    assert all(int((epoch == torch.arange(len(rows))).sum()) < 8 for epoch in epochs)


def test_a_stage_over_two_tasks_mixes_their_rows() -> None:
    tasks = [blocks_of(random_documents(200, seed=seed)) for seed in (1, 2)]
    training = Training(block_size=BLOCK, epochs=1)
    settings = settings_of_stage(training, Overrides(), [Overrides()] * 2)
    order = stage_data(tasks, settings, training, Streams(0), 2).order
    first_half = order[: len(order) // 2] < len(tasks[0])
    expected = len(tasks[0]) / len(order)
    assert abs(float(first_half.float().mean()) - expected) < 4 * (0.25 / len(first_half)) ** 0.5


def test_a_step_has_as_many_whole_rows_as_its_tokens_hold() -> None:
    rows = blocks_of(random_documents(40, seed=1))
    for tokens, wanted in ((8, 1), (BLOCK, 1), (3 * BLOCK - 1, 2), (3 * BLOCK, 3)):
        training = Training(block_size=BLOCK, tokens_per_step=tokens, epochs=1)
        data = stage_data([rows], settings_of_stage(training, Overrides(), [Overrides()]), training, Streams(0), 1)
        assert len(data.step(1)) == wanted
