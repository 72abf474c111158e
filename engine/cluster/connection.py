"""The connection to a cluster of Ray, made and kept in the gateway's process alone."""

from __future__ import annotations

import logging
import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

from engine.common.errors import ConfigError, PlacesError

ADDRESS = "PALIMPSEST_RAY_ADDRESS"
"""Where the cluster is: HOST:PORT of its head, or auto for the one that this machine belongs to. Without it a cluster
of this machine alone is started, which no other can reach."""
_CODE = Path(__file__).resolve().parents[2]
_SENT = ("engine", "samples", "models")
"""The folders of the project that a node needs to compute runs."""
_OBJECT_STORE_BYTES = 500_000_000
_ANSWER_SECONDS = 10.0


def address() -> str:
    """The address that was set; empty for a cluster of this machine alone. Raises ConfigError."""
    given = os.environ.get(ADDRESS, "").strip() or os.environ.get("RAY_ADDRESS", "").strip()
    if given.startswith("ray://"):
        raise ConfigError(
            f"{ADDRESS}: {given} is the address of Ray's client, which can't stream. Start Palimpsest on a machine of "
            "the cluster, and give HOST:PORT as `ray start` does, or auto."
        )
    return "" if given == "local" else given


def prepare(given: str) -> None:
    """Set what Ray reads when it is imported: tokens are asked for, and a cluster of this machine has no outer door."""
    os.environ.setdefault("RAY_AUTH_MODE", "token")
    os.environ["RAY_TRAIN_V2_ENABLED"] = os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    if not given:
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # its processes then listen on the loopback alone


def connect(given: str, code: Path) -> None:
    """Join the cluster at `given`, or start one of this machine. `code` is a folder for what nodes are sent.

    Raises PlacesError that says why there is none.
    """
    import ray

    _check_answers(given)
    _collect_code(code)
    options = {"log_to_driver": False, "logging_level": logging.ERROR, "runtime_env": {"working_dir": str(code)}}
    try:
        if given:
            ray.init(address=given, **options)
        else:
            ray.init(
                address="local", include_dashboard=False, num_cpus=os.cpu_count(),
                object_store_memory=_OBJECT_STORE_BYTES, **options,
            )  # fmt: skip
    except Exception as error:  # Ray has a dozen kinds of them, and none is of ours
        raise PlacesError(_in_words(given, error)) from error


def _check_answers(given: str) -> None:
    """Raises PlacesError where nothing listens at HOST:PORT: Ray itself would try for minutes."""
    host, _, port = given.rpartition(":")
    if not (host and port.isdigit()):
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_ANSWER_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise PlacesError(_nobody(given, str(error))) from error


def _nobody(given: str, why: str) -> str:
    return f"No Ray cluster answers at {given}; check {ADDRESS}, and that `ray start` runs there ({why})."


def _in_words(given: str, error: Exception) -> str:
    where = f"The Ray cluster at {given}" if given else "A Ray cluster on this machine"
    texts = [" ".join(str(each).split()) for each in _with_causes(error)]
    if any("ersion mismatch" in text for text in texts):
        return f"{where} runs another version of Ray or Python, so it can't be joined: {texts[-1][:300]}"
    if any("uthentication" in text or "token" in text.lower() for text in texts):
        return (
            f"{where} refuses the token of this machine. Put the cluster's token into ~/.ray/auth_token (as "
            "`ray get-auth-token` prints it on the head), or name its file in RAY_AUTH_TOKEN_PATH."
        )
    if isinstance(error, ConnectionError):
        return _nobody(given, texts[0][:200])
    return f"{where} can't be joined ({type(error).__name__}: {texts[0][:300]})."


def _with_causes(error: BaseException) -> Iterator[BaseException]:
    """The error, then those that it came from."""
    following: BaseException | None = error
    while following is not None:
        yield following
        following = following.__cause__ or following.__context__


def _collect_code(folder: Path) -> None:
    for name in _SENT:
        shutil.copytree(
            _CODE / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"), dirs_exist_ok=True
        )
