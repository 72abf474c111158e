"""The scripts that look for trouble: they find it, and say so where they could not look."""

import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"script_{name}", ROOT / "scripts" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


FUZZ, AUDIT = script("fuzz"), script("audit")


@pytest.mark.parametrize("name", FUZZ.TARGETS)
def test_every_target_of_the_fuzzer_takes_what_it_begins_from(name: str) -> None:
    seeds = FUZZ.TARGETS[name].seeds()
    assert seeds
    for seed in seeds:
        with FUZZ.ours_expected():
            FUZZ.TARGETS[name].take(seed)


def test_every_kind_of_file_has_a_target() -> None:
    from engine.tasks.files.kinds import SUFFIXES

    assert set(SUFFIXES) <= set(FUZZ.TARGETS)


def answering(packages: list[dict[str, Any]] | None) -> Callable[..., Any]:
    """Stands in for the process that looks packages up; None: it gets no answer."""

    def run(command: list[str], **_: Any) -> Any:
        if packages is not None:
            Path(command[command.index("-o") + 1]).write_text(json.dumps({"dependencies": packages}))
        return subprocess.CompletedProcess(command, 1, "", "no route to host")

    return run


GOOD = {"name": "good", "version": "1", "vulns": []}
BAD = {"name": "bad", "version": "2", "vulns": [{"id": "CVE-0", "fix_versions": ["3"]}]}
UNKNOWN = {"name": "unknown", "skip_reason": "not found"}


@pytest.mark.parametrize(
    ("packages", "found", "sentence"),
    [
        (None, [], "NOT CHECKED, there is no answer. no route to host"),
        ([UNKNOWN, UNKNOWN], [], "NOT CHECKED for 2 of 2 packages: unknown, unknown"),
        ([GOOD, UNKNOWN], [], "NOT CHECKED for 1 of 2 packages: unknown"),
        ([GOOD, BAD], ["bad 2: CVE-0, mended in 3"], "looked up for 2 of 2 pinned packages"),
    ],
)
def test_what_was_not_looked_up_is_never_taken_for_clean(
    packages: Any, found: list[str], sentence: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(AUDIT.subprocess, "run", answering(packages))
    assert AUDIT.vulnerabilities() == found
    assert sentence in capsys.readouterr().out
