"""The tables of `docs/methods.md`, between two marks; the text around them is written by people."""

from collections.abc import Sequence
from pathlib import Path

from benchmarks.methods.figure import as_svg
from benchmarks.methods.halves import CHOOSING, REPORTED
from benchmarks.methods.lines import Interval, Line, Setting, Tests, tests
from engine.common.errors import StoreError
from engine.common.numerals import percent, written
from engine.results.verdict import chance

BEGIN = "<!-- From here on `python -m benchmarks.methods --table` writes. -->"
END = "<!-- Up to here. -->"


def update(document: Path, figure: Path, found: Sequence[Line]) -> None:
    """Write the tables into the document and the drawing beside it. Raises StoreError where there is nothing to write,
    or no place to write it."""
    if not found:
        raise StoreError("There are no numbers yet; run `python -m benchmarks.methods --out FOLDER` first.")
    put_between(document, BEGIN, as_markdown(found))
    figure.write_text(as_svg(found), encoding="utf-8")


def put_between(document: Path, begin: str, tables: str) -> None:
    """Write into a document what stands after the line `begin` and before `END`. Raises StoreError where these lines
    are not there once each."""
    text = document.read_text(encoding="utf-8") if document.is_file() else ""
    if text.count(begin) != 1 or text.count(END) != 1 or text.index(begin) > text.index(END):
        raise StoreError(f"{document}: the tables stand between the lines {begin!r} and {END!r}; put each in once.")
    before, after = text.split(begin)[0], text.split(END)[1]
    document.write_text(f"{before}{begin}\n{tables}{END}{after}", encoding="utf-8")


def as_markdown(found: Sequence[Line]) -> str:
    """The tables and the sentences of the tests."""
    tested = tests(found)
    parts = [_seeds(found), _table(found, tested), _tests(tested), _settings(found)]
    return "\n".join(f"{part}\n" for part in parts if part)


def _seeds(found: Sequence[Line]) -> str:
    by_seeds: dict[tuple[int, ...], list[str]] = {}
    for line in found:
        by_seeds.setdefault(line.seeds, []).append(line.name)
    most = max(by_seeds, key=lambda seeds: len(by_seeds[seeds]))
    text = f"Every line rests on {_of_seeds(most)}"
    others = [f"{', '.join(f'`{n}`' for n in names)} on {_of_seeds(s)}" for s, names in by_seeds.items() if s != most]
    return f"{text}{', but ' if others else ''}{'; '.join(others)}."


def _of_seeds(seeds: Sequence[int]) -> str:
    numbers = ", ".join(map(str, seeds))
    return f"one seed ({numbers})" if len(seeds) == 1 else f"{len(seeds)} seeds ({numbers})"


def _table(found: Sequence[Line], tested: Tests | None) -> str:
    head = (
        "line: values tried, **chosen**", "forgetting", "final average", "after own stage",
        "tokens forward, backward", "processor seconds", "memory", "below naive",
    )  # fmt: skip
    rows = [
        (
            f"`{line.name}`{_values(line)}",
            *(_interval(line.chosen.over_seeds(m, REPORTED)) for m in ("forgetting", "average", "learning_accuracy")),
            _tokens(line.chosen),
            _seconds(line.chosen),
            _megabytes(line.chosen),
            _below_naive(line, tested),
        )
        for line in found
    ]
    return _markdown(head, rows)


def _values(line: Line) -> str:
    """Every value that was tried, the chosen one in bold, and those that are still to be tried."""
    if not line.chosen.name:
        return ""
    tried: dict[str, list[str]] = {}
    for setting in line.settings:
        parameters, _, values = setting.name.partition("=")
        tried.setdefault(parameters, []).append(f"**{values}**" if setting is line.chosen else values)
    text = "".join(f", `{parameters}` {' / '.join(values)}" for parameters, values in tried.items())
    return f"{text} (not yet: {'; '.join(line.untried)})" if line.untried else text


def _tokens(setting: Setting) -> str:
    counted = [round(setting.mean("tokens", way) / 1000) for way in ("forward", "backward")]
    texts = round(setting.mean("tokens", "written_texts"))
    return f"{counted[0]} k, {counted[1]} k" + (f", {texts} texts written" if texts else "")


def _seconds(setting: Setting) -> str:
    found = setting.processor_seconds
    return "–" if found is None else written(found, ".0f")


def _megabytes(setting: Setting) -> str:
    total = setting.mean("memory", "kept_bytes") + setting.mean("memory", "held_bytes")
    return f"{written(total / 1e6, '.1f')} MB"


def _below_naive(line: Line, tested: Tests | None) -> str:
    found = tested.against_naive.get(line.name) if tested else None
    if found is None:
        return "–"
    by = written(found.lower_by, ".3f")
    return by if found.corrected_p is None else f"{by}, {chance(found.corrected_p)}"


def _tests(tested: Tests | None) -> str:
    if tested is None:
        return "Nothing is tested yet: it takes two lines with a seed in common."
    lowest = f"Of the lines that do not train on all tasks, `{tested.best}` is lowest on half A."
    if len(tested.seeds) < 2:
        return (
            f"{lowest} Nothing is tested: a paired test takes two seeds, and there is "
            f"{_of_seeds(tested.seeds)} that all lines have."
        )
    worse = [each for each in tested.against_best if each.is_established]
    others = [each for each in tested.against_best if not each.is_established]
    text = (
        f"{lowest} By paired tests over {_of_seeds(tested.seeds)}, Holm's correction over "
        f"all {tested.against_best[0].comparisons} pairs, its final average on half B is lower than that of "
    )
    text += ", ".join(f"`{each.rival}`" for each in worse) or "no other line beyond chance"
    if worse and others:
        text += f"; against {', '.join(f'`{each.rival}`' for each in others)} nothing is established"
    return f"{text}."


def _settings(found: Sequence[Line]) -> str:
    """Every setting on the half that chose, and what clipping did."""
    head = (
        "setting",
        "forgetting, A",
        "final average, A",
        "after own stage, A",
        "final average, B",
        "steps clipped, gradients left",
    )
    rows = []
    for line in found:
        for setting in line.settings:
            name = f"`{line.name}`{', ' + setting.name if setting.name else ''}"
            measures = ("forgetting", "average", "learning_accuracy")
            clipped, left = setting.clipped()
            rows.append(
                (
                    f"**{name}**" if setting is line.chosen and len(line.settings) > 1 else name,
                    *(_interval(setting.over_seeds(measure, CHOOSING)) for measure in measures),
                    _interval(setting.over_seeds("average", REPORTED)),
                    f"{percent(clipped)}, {percent(left)}",
                )
            )
    return f"All that was tried:\n\n{_markdown(head, rows)}"


def _interval(found: Interval) -> str:
    mean = written(found.mean, ".3f")
    return mean if found.half_width is None else f"{mean} ± {written(found.half_width, '.3f')}"


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
