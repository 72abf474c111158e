"""What models can do, probe by probe, beside what their base model can, with what chance may have made of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

from scipy.stats import binomtest

from engine.insight.measures.expected_answers import mcnemar_p
from engine.insight.measures.probe_items import items_of
from engine.insight.measures.probe_scores import Probed, probed
from engine.insight.measures.probes import ITEMS, PROBES, Probe
from engine.insight.requests import ProbesRequest, Source, check_probed
from engine.insight.sources import Found, find
from engine.insight.telling import Tell, Told
from engine.insight.workshop import Workshop
from engine.persistence.content_keys import content_key
from engine.results.paired_tests import SIGNIFICANCE, holm
from engine.store import Store

FELL, ROSE = "fell", "rose"


@dataclass(frozen=True)
class Ability:
    """A model's share of right items of a probe. Shares are of 1, with both ends of their 95% interval by Wilson."""

    run_id: str
    stage: int
    """0 for the base model."""
    base_run_id: str
    """The `run_id` of the rows of its base model: runs of one base model share them."""
    probe: str
    items: int
    right: int
    share: float
    low: float
    high: float
    chance: float
    written: float | None
    """The share whose greedy answer equals the right one; None where none is asked for."""
    written_low: float | None
    written_high: float | None
    lost: int | None = None
    """Items that the base model has right and this one has not; None for the base model, as `gained` and both p."""
    gained: int | None = None
    p: float | None = None
    """McNemar's exact p of `lost` against `gained`."""
    corrected_p: float | None = None
    """After Holm's correction over all models and probes that were asked for together."""

    @property
    def is_at_chance(self) -> bool:
        """Whether guessing explains the share: the interval holds it, or lies below."""
        return self.low <= self.chance

    @property
    def change(self) -> str:
        """`FELL` or `ROSE` since the base model where that is established, corrected p < 0.05; else ""."""
        if self.corrected_p is None or self.corrected_p >= SIGNIFICANCE:
            return ""
        return FELL if (self.lost or 0) > (self.gained or 0) else ROSE


def wilson(right: int, items: int) -> tuple[float, float]:
    """The ends of a share's 95% interval (Wilson 1927, Journal of the American Statistical Association 22:209)."""
    found = binomtest(right, items).proportion_ci(0.95, method="wilson")
    return float(found.low), float(found.high)


def abilities(found: Mapping[Source, Mapping[str, Probed]], bases: Mapping[Source, Source]) -> list[Ability]:
    """A row for every model and probe, in their order. `bases` names each model's base model, which is among `found`;
    a base model names itself."""
    rows = [
        _row(source, bases[source], probe, own[probe.name], found[bases[source]][probe.name])
        for source, own in found.items()
        for probe in PROBES
        if probe.name in own
    ]
    tested = [place for place, row in enumerate(rows) if row.p is not None]
    corrected = holm([rows[place].p for place in tested])
    for place, p in zip(tested, corrected, strict=True):
        rows[place] = replace(rows[place], corrected_p=p)
    return rows


def _row(source: Source, base: Source, probe: Probe, own: Probed, own_base: Probed) -> Ability:
    items, right = len(own.right), sum(own.right)
    low, high = wilson(right, items)
    written = sum(own.written) if own.written is not None else None
    written_low, written_high = wilson(written, items) if written is not None else (None, None)
    row = Ability(
        source.run_id, source.stage, base.run_id, probe.name, items, right, right / items, low, high, probe.chance,
        None if written is None else written / items, written_low, written_high,
    )  # fmt: skip
    if source == base:
        return row
    pairs = list(zip(own_base.right, own.right, strict=True))
    lost, gained = (sum(pair == turned for pair in pairs) for turned in ((True, False), (False, True)))
    return replace(row, lost=lost, gained=gained, p=mcnemar_p(lost, gained))


def probe_all(store: Store, workshop: Workshop, request: ProbesRequest, tell: Tell) -> list[dict[str, Any]]:
    """The rows of `abilities` as plain data, each with its `is_at_chance` and `change`, the base models first. What
    there is so far is told without tests, which count all that is compared. Raises PalimpsestError."""
    check_probed(request)
    asked = {source: find(store, source) for source in request.sources}
    own_bases = {source: find(store, Source(source.run_id, 0)) for source in asked}
    bases = shared_bases({source: base.content for source, base in own_bases.items()})
    models = {bases[source]: base for source, base in own_bases.items() if bases[source] == base.source}
    models |= {source: model for source, model in asked.items() if source.stage}
    bases |= {source: source for source in models if not source.stage}
    return _plain(abilities(_worked_out(workshop, models, bases, tell), bases), tested=True)


def shared_bases(contents: Mapping[Source, str]) -> dict[Source, Source]:
    """Of every model the base model that it is compared with, by the contents of their base models: one for all that
    have the same, which is the first that is itself among the models, else that of the first of them."""
    found: dict[str, Source] = {}
    for source in sorted(contents, key=lambda source: source.stage > 0):
        found.setdefault(contents[source], Source(source.run_id, 0))
    return {source: found[content] for source, content in contents.items()}


def _worked_out(
    workshop: Workshop, models: Mapping[Source, Found], bases: Mapping[Source, Source], tell: Tell
) -> dict[Source, dict[str, Probed]]:
    found: dict[Source, dict[str, Probed]] = {}
    before, of = 0, len(models) * sum(_work(probe) for probe in PROBES)
    for source, model in models.items():
        for probe in PROBES:
            told = partial(Told, f"{model.words}: {probe.title}", of=of)

            def progress(done: int, told: Callable[..., Told] = told, before: int = before) -> None:
                tell(told(before + done, so_far=lambda: _plain(abilities(found, bases), tested=False)))

            found.setdefault(source, {})[probe.name] = _kept(workshop, model, probe, progress)
            before += _work(probe)
            progress(0, told, before)
    return found


def _work(probe: Probe) -> int:
    """Items that are read, and written."""
    return ITEMS * (1 + probe.is_written)


def _kept(workshop: Workshop, model: Found, probe: Probe, progress: Callable[[int], None]) -> Probed:
    def compute() -> dict[str, Any]:
        progress(0)
        return asdict(probed(workshop.loaded(model), probe, progress))

    items = [asdict(item) for item in items_of(probe)]
    kept = workshop.kept_plain(content_key("probed", model.content, items), compute)
    written = kept["written"]
    return Probed(tuple(kept["right"]), tuple(written) if written is not None else None)


def _plain(rows: Sequence[Ability], tested: bool) -> list[dict[str, Any]]:
    untested = {} if tested else {"corrected_p": None, "change": ""}
    return [asdict(row) | {"is_at_chance": row.is_at_chance, "change": row.change} | untested for row in rows]
