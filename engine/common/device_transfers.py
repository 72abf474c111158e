"""Tensors to the device and numbers back from it, without waiting for the work that is queued there."""

from collections.abc import Mapping

import torch
from torch import Tensor


def sent(tensor: Tensor, device: torch.device) -> Tensor:
    """The tensor on `device`."""
    if device.type == "cuda" and tensor.device.type == "cpu":
        # From memory that the system may move, CUDA would finish all it has to do before it copies.
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


class Readback:
    """Scalars of one device, at least one, by name, on their way to the CPU."""

    def __init__(self, values: Mapping[str, Tensor]) -> None:
        self._names = tuple(values)
        device = next(iter(values.values())).device
        kind = torch.float32 if device.type == "mps" else torch.float64
        together = torch.stack([value.detach().to(kind) for value in values.values()])
        self._numbers = together.to("cpu", non_blocking=True)
        self._arrived = None
        if device.type == "cuda":
            self._arrived = torch.cuda.Event()
            self._arrived.record()
        elif device.type == "mps":
            torch.mps.synchronize()

    def numbers(self) -> dict[str, float]:
        """The scalars, once they have arrived."""
        if self._arrived is not None:
            self._arrived.synchronize()
        return dict(zip(self._names, self._numbers.tolist(), strict=True))
