import asyncio
from pathlib import Path

import pytest

from engine.cluster.exchange import Exchange
from engine.cluster.job import make_job
from engine.cluster.nodes import Need
from engine.common.durable_files import seal
from tests.fake_runs import experiment


def test_a_node_is_given_the_files_of_its_run_and_shared_results_and_nothing_else(tmp_path: Path) -> None:
    one, shared = experiment(tmp_path), tmp_path / "data" / "shared"
    (shared / "key").mkdir(parents=True)
    (shared / "key" / "tensors").write_bytes(b"0123456789")
    (tmp_path / "data" / "secret").write_bytes(b"a secret")
    seal(shared / "key", durable=False)
    job = make_job("mine", one, one.runs()[0], tmp_path / "data" / "run", 0, Need(1, 0), 1.0, shared)

    async def ask() -> None:
        exchange = Exchange()
        await exchange.register(job, shared)
        text = Path(one.tasks[0].train[0]).read_bytes()
        assert await exchange.read("mine", "texts/0/0/bread.txt", 3, 5) == text[3:8]
        assert (await exchange.result_files("mine", "key") or {})["tensors"] == 10
        assert await exchange.read_result("mine", "key", "tensors", 4, 3) == b"456"
        for key, name in (("..", "secret"), ("key", "../../secret"), ("key/..", "x"), (".", "key"), ("", "secret")):
            assert await exchange.read_result("mine", key, name, 0, 9) == b""
            assert await exchange.result_files("mine", key) is None or key == "key"
        for ticket, name in (("mine", "../secret"), ("mine", str(tmp_path / "data" / "secret")), ("other", "x")):
            with pytest.raises(KeyError):
                await exchange.read(ticket, name, 0, 9)
        assert await exchange.result_files("other", "key") is None
        await exchange.remove("mine")
        with pytest.raises(KeyError):
            await exchange.read("mine", "texts/0/0/bread.txt", 0, 9)
        assert await exchange.read_result("mine", "key", "tensors", 0, 9) == b""
        assert await exchange.wish("mine", "go on") == "stop"

    asyncio.run(ask())
