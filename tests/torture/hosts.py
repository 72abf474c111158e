"""A cluster of Ray for tests: nodes on this machine, each in a network namespace of its own as on a host of its own,
which are killed, frozen and cut off from one another. It takes the rights of root."""

import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

_NUMBER = os.getpid() % 10_000
_BRIDGE, _NET = f"p{_NUMBER}-br", f"10.99.{_NUMBER % 250}"
_ENDS_SECONDS = 20.0
_RAY = [sys.executable, "-m", "ray.scripts.scripts"]


@dataclass
class Host:
    """One node. Its processes are known by the folder that they name in their environment."""

    name: str
    folder: Path
    address: str
    namespace: str
    variables: dict[str, str] = field(default_factory=dict)

    def run(self, command: Sequence[str], **options: object) -> "subprocess.CompletedProcess[str]":
        """Run a command on the host and wait for it."""
        return subprocess.run(  # type: ignore[call-overload, no-any-return]
            self._there(command), env=self._environment(), text=True, capture_output=True, **options
        )

    def start(self, command: Sequence[str], log: Path, folder: Path) -> "subprocess.Popen[bytes]":
        """Start a command on the host, in a folder."""
        with log.open("ab") as opened:
            return subprocess.Popen(
                self._there(command), env=self._environment(), stdout=opened, stderr=opened, cwd=folder,
                start_new_session=True,
            )  # fmt: skip

    def processes(self, holding: str = "") -> Iterator[int]:
        """The ids of the host's processes whose command line holds these words."""
        for place in Path("/proc").iterdir():
            with suppress(OSError, ValueError):
                mine = f"PALIMPSEST_NODE_FOLDER={self.folder}\0".encode() in (place / "environ").read_bytes()
                if mine and holding.encode() in (place / "cmdline").read_bytes():
                    yield int(place.name)

    def signal(self, number: int, holding: str = "") -> int:
        """Send a signal to the host's processes; returns to how many."""
        found = list(self.processes(holding))
        for process in found:
            with suppress(ProcessLookupError):
                os.kill(process, number)
        return len(found)

    def vanish(self) -> None:
        """Kill all that runs on the host."""
        deadline = time.monotonic() + _ENDS_SECONDS
        while self.signal(signal.SIGKILL) and time.monotonic() < deadline:
            time.sleep(0.1)

    def cut_off(self, is_cut: bool) -> None:
        """Take the host's network away, or give it back."""
        state = "down" if is_cut else "up"
        subprocess.run(["ip", "link", "set", f"{self.namespace}-o", state], check=True)

    def _there(self, command: Sequence[str]) -> list[str]:
        named = ["unshare", "--uts", "sh", "-c", 'hostname "$0" && exec "$@"', self.name]
        return ["ip", "netns", "exec", self.namespace, *named, *command]

    def _environment(self) -> dict[str, str]:
        return os.environ | self.variables | {"PALIMPSEST_NODE_FOLDER": str(self.folder)}


class Hosts:
    """Hosts that share nothing but a network, with Ray on each. Use as a context."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._hosts: list[Host] = []
        self._port = 20_000 + secrets.randbelow(10_000)
        self.token = secrets.token_hex(32)

    def __enter__(self) -> "Hosts":
        self._ip("link", "add", _BRIDGE, "type", "bridge")
        self._ip("link", "set", _BRIDGE, "up")
        return self

    def __exit__(self, *_: object) -> None:
        for host in self._hosts:
            host.vanish()
            self._ip("link", "del", f"{host.namespace}-o", check=False)
            self._ip("netns", "del", host.namespace, check=False)
        self._ip("link", "del", _BRIDGE, check=False)

    def __getitem__(self, name: str) -> Host:
        return next(host for host in self._hosts if host.name == name)

    @property
    def address(self) -> str:
        """The address of the cluster's head."""
        return f"{self._hosts[0].address}:{self._port}"

    def add(self, name: str, cpus: int, *options: str) -> Host:
        """A host with Ray: the first is the head of the cluster."""
        folder = self._folder / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        host = self._host(name, folder)
        self._hosts.append(host)
        self.start_ray(host, cpus, *options)
        return host

    def start_ray(self, host: Host, cpus: int, *options: str) -> None:
        """Start Ray on a host, or again on one that had vanished. Raises RuntimeError."""
        is_head = host is self._hosts[0]
        where = ["--head", f"--port={self._port}"] if is_head else [f"--address={self.address}"]
        command = [*_RAY, "start", *where, f"--node-ip-address={host.address}", f"--num-cpus={cpus}"]
        command += ["--include-dashboard=false", "--disable-usage-stats"] if is_head else []
        done = host.run([*command, f"--object-store-memory={100 * 2**20}", *options], timeout=120)
        if done.returncode:
            raise RuntimeError(f"{host.name}: {done.stdout}{done.stderr}")

    def _host(self, name: str, folder: Path) -> Host:
        space, out = f"p{_NUMBER}{name[:4]}", f"p{_NUMBER}{name[:4]}-o"
        variables = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": self.token, "RAY_worker_niceness": "0"}
        host = Host(name, folder, f"{_NET}.{len(self._hosts) + 2}", space, variables)
        self._ip("netns", "add", space)
        self._ip("link", "add", out, "type", "veth", "peer", "name", "eth0", "netns", space)
        self._ip("link", "set", out, "master", _BRIDGE)
        self._ip("link", "set", out, "up")
        for command in (
            ("addr", "add", f"{host.address}/24", "dev", "eth0"),
            ("link", "set", "eth0", "up"),
            ("link", "set", "lo", "up"),
        ):
            self._ip("-n", space, *command)
        return host

    @staticmethod
    def _ip(*arguments: str, check: bool = True) -> None:
        subprocess.run(["ip", *arguments], check=check, capture_output=not check)
