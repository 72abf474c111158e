"""The app on a port of its own, and an OpenID Connect provider on this machine."""

import json
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.dashboard.server import ROOT, Server, ended, running
from tests.fake_runs import wait_until

EDITOR, READER, STRANGER, IMPOSTOR = "edith@example.org", "ray@example.org", "sam@example.org", "ivy@example.org"
CLAIMS = [
    {"sub": EDITOR, "email": EDITOR, "email_verified": True},
    {"sub": READER, "email": READER.upper(), "email_verified": True},
    {"sub": STRANGER, "email": STRANGER, "email_verified": True},
    {"sub": IMPOSTOR, "email": EDITOR, "email_verified": False},
]
SECRETS = """
[auth]
redirect_uri = "http://127.0.0.1:{{port}}/oauth2callback"
cookie_secret = "a secret of the tests, long enough not to be refused"  # pragma: allowlist secret
client_id = "palimpsest"
client_secret = "of no use elsewhere"  # pragma: allowlist secret
server_metadata_url = "{provider}/.well-known/openid-configuration"

[palimpsest.access]
editors = {editors}
readers = {readers}
"""


def secrets(provider: str, editors: list[str], readers: list[str]) -> str:
    """The content of a secrets file."""
    return SECRETS.format(provider=provider, editors=json.dumps(editors), readers=json.dumps(readers))


@contextmanager
def app(data: Path, **environment: str) -> Iterator[Server]:
    """The app with `data` as its data folder; what it says goes to data/server.log."""
    with running(
        ROOT / "app.py", data / "server.log", PALIMPSEST_DATA=str(data), HF_HUB_OFFLINE="1", **environment
    ) as server:
        yield server


@contextmanager
def openid_provider() -> Iterator[str]:
    """A provider that lets one log in as any of CLAIMS; gives its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    users = [part for claims in CLAIMS for part in ("--user-claims", json.dumps(claims))]
    command = [sys.executable, "-m", "oidc_provider_mock", "--port", str(port), "--require-nonce", "true", *users]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        wait_until(lambda: process.poll() is not None or _answers(f"{address}/.well-known/openid-configuration"), 300)
        assert process.poll() is None, "the provider ended"
        yield address
    finally:
        ended(process)


def _answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=10).close()
    except OSError:
        return False
    return True


@contextmanager
def app_with_log_in(data: Path, provider: str) -> Iterator[Server]:
    """The app as others reach it, with EDITOR and READER on its lists in data/secrets.toml."""
    file = data / "secrets.toml"
    file.write_text(secrets(provider, [EDITOR], [READER]))
    everywhere = {"STREAMLIT_SERVER_ADDRESS": "0.0.0.0", "STREAMLIT_BROWSER_SERVER_ADDRESS": "127.0.0.1"}
    with app(data, STREAMLIT_SECRETS_FILES=str(file), **everywhere) as server:
        yield server
