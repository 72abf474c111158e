from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.dashboard.server import Server
from tests.web.servers import app_with_log_in, openid_provider


@pytest.fixture(scope="session")
def provider() -> Iterator[str]:
    """The address of an OpenID Connect provider on this machine."""
    with openid_provider() as address:
        yield address


@pytest.fixture(scope="module")
def shared(provider: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Path]]:
    """A server that listens everywhere and asks for a log-in; with its data folder."""
    data = tmp_path_factory.mktemp("shared")
    with app_with_log_in(data, provider) as server:
        yield server, data
