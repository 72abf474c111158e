"""Streams have names; the global ones are seeded as torch seeds them."""

import pytest
import torch

from engine.common.random_streams import Streams, seed_global_streams


def test_the_global_stream_is_the_one_of_manual_seed() -> None:
    torch.manual_seed(7)
    wanted = torch.rand(4)
    seed_global_streams(torch.device("cpu"), 7)
    assert torch.rand(4).equal(wanted)


def test_a_device_s_own_stream_is_seeded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    seeded = list[int]()
    monkeypatch.setattr(torch.cuda, "manual_seed_all", seeded.append)
    seed_global_streams(torch.device("cuda"), 7)
    assert seeded == [7]


def test_a_stream_is_found_again_and_no_other_is_like_it() -> None:
    def drawn(seed: int, purpose: str, *counters: int) -> list[float]:
        return torch.rand(4, generator=Streams(seed).generator(purpose, *counters)).tolist()

    assert drawn(0, "replay", 2, 3) == drawn(0, "replay", 2, 3)
    others = [drawn(1, "replay", 2, 3), drawn(0, "dropout", 2, 3), drawn(0, "replay", 3, 2), drawn(0, "replay", 23)]
    assert all(each != drawn(0, "replay", 2, 3) for each in others)
