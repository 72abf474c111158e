import socket
from pathlib import Path

import pytest

from engine.cluster import connection
from engine.cluster.ray_places import JOINING, RayPlaces
from engine.common.errors import ConfigError, PlacesError
from tests.fake_runs import experiment, wait_until


@pytest.fixture(autouse=True)
def _no_address(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (connection.ADDRESS, "RAY_ADDRESS"):
        monkeypatch.delenv(name, raising=False)


def test_the_address_is_ours_then_rays_own_and_none_means_this_machine_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    assert connection.address() == ""
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    assert connection.address() == "10.0.0.1:6379"
    monkeypatch.setenv(connection.ADDRESS, "auto")
    assert connection.address() == "auto"
    monkeypatch.setenv(connection.ADDRESS, "ray://10.0.0.1:10001")
    with pytest.raises(ConfigError, match="the address of Ray's client, which can't stream"):
        connection.address()


def test_tokens_are_asked_for_unless_the_operator_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RAY_AUTH_MODE", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "RAY_USAGE_STATS_ENABLED"):
        monkeypatch.setenv(name, "before")
    monkeypatch.delenv("RAY_AUTH_MODE")
    connection.prepare("10.0.0.1:6379")
    assert connection.os.environ["RAY_AUTH_MODE"] == "token"
    assert connection.os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] == "before"
    connection.prepare("")
    assert connection.os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] == "0"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (RuntimeError("Version mismatch: The cluster was started with Ray: 2.59"), "runs another version of Ray"),
        (ConnectionError("Failed to connect"), "No Ray cluster answers at h:1; check PALIMPSEST_RAY_ADDRESS"),
        (ValueError("something else"), r"can't be joined \(ValueError: something else\)"),
    ],
)
def test_what_ray_says_becomes_a_sentence_with_what_to_do(error: Exception, words: str) -> None:
    with pytest.raises(PlacesError, match=words):
        raise PlacesError(connection._in_words("h:1", error))


def test_a_wrong_token_is_told_from_a_cluster_that_is_not_there() -> None:
    error = ConnectionError("Failed to connect to Ray cluster at h:1")
    error.__cause__ = RuntimeError("InvalidAuthToken: authentication failed")
    assert "refuses the token of this machine" in connection._in_words("h:1", error)


def test_a_queue_is_told_that_nobody_answers_and_its_runs_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray", reason="Ray is not installed (pip install -r requirements-ray.txt)")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv(connection.ADDRESS, f"127.0.0.1:{port}")
    places, described = RayPlaces(tmp_path), experiment(tmp_path)
    said = ""

    def is_told() -> bool:
        nonlocal said
        with pytest.raises(PlacesError) as error:
            places.take(described, None)
        said = str(error.value)
        return said != JOINING

    wait_until(is_told)
    places.close()
    assert said.startswith(f"No Ray cluster answers at 127.0.0.1:{port}; check PALIMPSEST_RAY_ADDRESS")
