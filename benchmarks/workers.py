"""The participants as processes of their own that are kept alive and asked for one timing at a time."""

import contextlib
import json
import os
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any

_ROOT = Path(__file__).resolve().parent.parent


class WorkerFailed(Exception):  # noqa: N818 - the participant's fault, which the text tells
    """A participant could not do what it was asked."""


class Worker:
    """One participant: requests go in and answers come out as JSON, one a line (`serve` is the other side)."""

    def __init__(self, name: str, python: Path, module: str, logs: Path) -> None:
        self.name = name
        self._log = logs / f"{name}.log"
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                [str(python), "-m", module],
                cwd=_ROOT,
                env=os.environ | {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )

    def ask(self, **request: Any) -> dict[str, Any]:
        """The answer to a request. Raises WorkerFailed."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):  # one that has died gives no answer either
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            last = self._log.read_text(errors="replace").strip().splitlines()[-1:]
            raise WorkerFailed(f"{self.name} has ended: {' '.join(last) or 'no reason given'}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise WorkerFailed(f"{self.name} failed at {request['do']}: {answer['error']}")
        return answer

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """An idle worker ends with its input; a busy one is ended."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.stdout.close()
        if kind is not None:
            self._process.terminate()
        self._process.wait()
