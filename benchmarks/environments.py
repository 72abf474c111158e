"""Environments of the peers' own, so that the product depends on none of them."""

import shutil
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent / ".venvs"
_ROOT = Path(__file__).resolve().parent.parent

_OWN: dict[str, tuple[tuple[str, ...], ...]] = {
    "trainer": (("accelerate==1.15.0",),),
    # All that `import avalanche` loads. Resolving its own list would add a dozen solvers that need a compiler.
    "avalanche": (
        ("--no-deps", "torchvision==0.28.0", "avalanche-lib==0.6.0"),
        (
            "dill==0.4.1", "gdown==6.5.1", "gputil==1.4.0", "matplotlib==3.11.2", "pillow==13.0.0", "psutil==7.2.2",
            "pytorchcv==0.0.74", "qpsolvers==4.13.0", "scikit-learn==1.9.1", "tensorboard==2.21.0",
            "torchmetrics==1.9.0", "wandb==0.31.0",
        ),
    ),
}  # fmt: skip


class EnvironmentMissing(Exception):  # noqa: N818 - a fact to report, not a fault
    """An environment can't be made here; the text says why."""


def python_of(name: str) -> Path:
    """The interpreter of the peer's environment, made on first use. Raises EnvironmentMissing."""
    folder, steps = FOLDER / name, _steps(name)
    python, ready = folder / "bin" / "python", folder / ".ready"
    if ready.is_file() and ready.read_text() == repr(steps):
        return python
    print(f"making the environment of {name}: some minutes, once", file=sys.stderr, flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    _run([sys.executable, "-m", "venv", str(folder)], name)
    for step in steps:
        _run([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *step], name)
    ready.write_text(repr(steps))
    return python


def _steps(name: str) -> tuple[tuple[str, ...], ...]:
    """The installations by pip, call by call: torch first and alone, as for the product, so that a CPU build at hand
    stays."""
    lines = (_ROOT / "requirements.txt").read_text().splitlines()
    ours = {line.partition("==")[0]: line for line in lines if "==" in line}
    return (ours["torch"],), (ours["transformers"], ours["numpy"]), *_OWN[name]


def _run(command: list[str], name: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise EnvironmentMissing(f"{name} is left out: its environment can't be made ({reason}).")
