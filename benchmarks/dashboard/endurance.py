"""A run of very many steps with its Live page open in a browser: memory of server and page, and the database."""

import asyncio
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from playwright.async_api import CDPSession, Page, async_playwright
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

from benchmarks.dashboard.server import Server, serve
from engine.experiments.experiment import Experiment, StrategySpec
from engine.experiments.training import Training
from engine.store import Store
from engine.tasks.spec import TaskSpec

_BLOCK = 8
_EPOCHS = 20
_LETTERS = [*"abcdefghijklmnopqrstuvwxyz ", "<end>"]
_SAMPLE_SECONDS = 10.0


@dataclass(frozen=True)
class Moment:
    """The measurements of one moment."""

    seconds: float
    step: int
    server_mb: float
    """Resident."""
    page_mb: float
    """JavaScript's heap, garbage collected."""
    page_nodes: int
    database_mb: float


@dataclass
class Endurance:
    """All that was seen of one run."""

    moments: list[Moment] = field(default_factory=list)
    page_errors: list[str] = field(default_factory=list)
    status: str = ""
    recorded: int = 0
    gaps: int = 0

    def slope(self, value: Callable[[Moment], float]) -> float:
        """Per hour, over the second half: the first fills caches."""
        later = self.moments[len(self.moments) // 2 :]
        return float(np.polyfit([each.seconds for each in later], [value(each) for each in later], 1)[0] * 3600)


async def measure_endurance(folder: Path, steps: int, minutes: float) -> Endurance:
    """A run of about `steps` steps of a model without layers, of a few hundred weights, for so many minutes at most."""
    found, store = Endurance(), Store(folder / "data")
    store.add_experiment(_experiment(folder, steps))
    run_id = str(store.runs()["run_id"].iloc[0])
    ends = time.monotonic() + 60 * minutes
    with serve(store.folder) as server:
        async with async_playwright() as playwright:
            arguments = ["--no-sandbox", "--disable-gpu"]
            browser = await playwright.chromium.launch(executable_path=shutil.which("chromium"), args=arguments)
            page = await browser.new_page()
            page.on("pageerror", lambda error: found.page_errors.append(str(error)))
            await page.goto(f"{server.address}/live")
            await page.locator(".palimpsest-chart .nsewdrag").first.wait_for(timeout=120_000)
            await _follow(found, store, run_id, server, page, ends)
            await browser.close()
        if found.status == "running":
            store.request(run_id, "stop")
            await asyncio.sleep(5)
    taken = np.array(store.steps(run_id)["step"])
    found.recorded, found.gaps = len(taken), int((np.diff(taken) != 1).sum())
    store.close()
    return found


async def _follow(found: Endurance, store: Store, run_id: str, server: Server, page: Page, ends: float) -> None:
    session = await page.context.new_cdp_session(page)
    await session.send("Performance.enable")
    began = time.monotonic()
    while True:
        run = store.runs(run_ids=run_id).iloc[0]
        found.status = str(run["status"])
        heap, nodes = await _page_use(session)
        database = sum(file.stat().st_size for file in store.folder.glob("palimpsest.db*"))
        moment = Moment(
            time.monotonic() - began, int(run["step"]), server.resident_mb(), heap / 1e6, nodes, database / 1e6
        )
        found.moments.append(moment)
        if len(found.moments) % 6 == 1:
            print(_line(moment), flush=True)
        if found.status not in ("queued", "running") or time.monotonic() > ends:
            return
        await asyncio.sleep(_SAMPLE_SECONDS)


async def _page_use(session: CDPSession) -> tuple[float, int]:
    await session.send("HeapProfiler.collectGarbage")
    answer = await session.send("Performance.getMetrics")
    metrics = {each["name"]: each["value"] for each in answer["metrics"]}
    return float(metrics["JSHeapUsedSize"]), int(metrics["Nodes"])


def _experiment(folder: Path, steps: int) -> Experiment:
    """Two tasks of random letters; every step takes one block of them."""
    model = folder / "model"
    vocabulary = {letter: number for number, letter in enumerate(_LETTERS)}
    letters = Tokenizer(models.WordLevel(vocabulary, unk_token=" "))  # noqa: S106 - a token
    letters.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    PreTrainedTokenizerFast(tokenizer_object=letters, eos_token="<end>").save_pretrained(model)  # noqa: S106
    ends = {"bos_token_id": len(_LETTERS) - 1, "eos_token_id": len(_LETTERS) - 1}
    shape = {"vocab_size": len(_LETTERS), "n_positions": _BLOCK, "n_embd": 4, "n_layer": 0, "n_head": 1}
    GPT2LMHeadModel(GPT2Config(**shape, **ends)).save_pretrained(model)
    draw = np.random.default_rng(0)
    a_task = steps // 2 // _EPOCHS
    tasks = []
    for name in ("first", "second"):
        texts = ["".join(each) for each in draw.choice(_LETTERS[:-2], size=(a_task + a_task // 9 + 20, _BLOCK - 2))]
        file = folder / f"{name}.txt"
        file.write_text("\n\n".join(texts), encoding="utf-8")
        tasks.append(TaskSpec(name=name, train=(str(file),)))
    training = Training(
        epochs=_EPOCHS, block_size=_BLOCK, tokens_per_step=_BLOCK, evaluation_tokens=256, learning_rate=1e-4,
        evaluations_per_stage=50, precision="float32", device="cpu", held_out_tokens=2_048,
    )  # fmt: skip
    strategies = (StrategySpec(name="naive"),)
    return Experiment(
        name="endurance", model=str(model), tasks=tuple(tasks), training=training, strategies=strategies, seeds=(0,)
    )


def _line(moment: Moment) -> str:
    return (
        f"  {moment.seconds / 60:5.1f} min, step {moment.step:9,}: server {moment.server_mb:,.0f} MB, page "
        f"{moment.page_mb:.1f} MB and {moment.page_nodes:,} nodes, database {moment.database_mb:,.1f} MB"
    )


def endurance_summary(found: Endurance) -> str:
    """Say what was seen."""
    last, middle = found.moments[-1], found.moments[len(found.moments) // 2]
    steps, megabytes = last.step - middle.step, last.database_mb - middle.database_mb
    return "\n".join(
        [
            _line(last).strip() + f"; the run is {found.status}.",
            f"Over the second half: server {found.slope(lambda each: each.server_mb):+.0f} MB an hour, page "
            f"{found.slope(lambda each: each.page_mb):+.1f} MB an hour, database {1e6 * megabytes / max(1, steps):.0f} "
            f"bytes a step.",
            f"{found.recorded:,} steps recorded, {found.gaps} gaps; {len(found.page_errors)} errors in the page.",
            *found.page_errors[:10],
        ]
    )
