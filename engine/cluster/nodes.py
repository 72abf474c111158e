"""Which nodes of a cluster can compute a run, from plain facts: their versions, their arithmetic and their size."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from engine.common.quoting import listed

LIKE = ("torch", "transformers", "instructions", "device", "precision")
"""The facts that nodes must share to compute the same numbers."""


Kind = tuple[tuple[str, str], ...]
"""What makes nodes alike: the facts of `LIKE` by name."""


@dataclass(frozen=True)
class Node:
    """A node that answers, with what it has in all."""

    node_id: str
    name: str
    cpus: float
    gpus: float
    arithmetic: dict[str, str] = field(default_factory=dict)
    """The facts that `machine.arithmetic_of_node` gives."""
    refusal: str = ""
    """The reason why it computes nothing, in words; empty where it can."""


@dataclass(frozen=True)
class Need:
    """The resources that a run asks for."""

    cpus: int
    gpus: float
    chooses_precision: bool = True
    """Whether the node decides on the precision, since the experiment does not."""

    def __str__(self) -> str:
        return f"{self.cpus} {'CPU' if self.cpus == 1 else 'CPUs'}" + (f" and {self.gpus:g} GPU" if self.gpus else "")


def refusal_of(name: str, facts: Mapping[str, Any], wanted: Mapping[str, str | None]) -> str:
    """The reason why a node can't compute runs for a machine with the versions `wanted`; empty where it can."""
    if facts.get("trouble"):
        return f"{name} can't compute runs ({facts['trouble']}); install the same requirements there."
    other = [
        f"{package} {there or 'is missing'}, not {wanted[package]}"
        for package, there in facts["versions"].items()
        if there != wanted[package]
    ]
    return f"{name} has {listed(other)}; install the same requirements there." if other else ""


def places_of(node: Node, need: Need) -> int:
    """The number of such runs that a node holds at once, when nothing else uses it."""
    by_gpu = _gpu_places(node.gpus, need.gpus) if need.gpus else None
    by_cpu = int(node.cpus // need.cpus)
    return by_cpu if by_gpu is None else min(by_cpu, by_gpu)


def _gpu_places(gpus: float, each: float) -> int:
    """Runs with a part of a GPU never lie on two: of one that is partly used, what is left counts."""
    if each >= 1:
        return int(gpus // each)
    return int(gpus) * int(1 / each + 1e-9) + int((gpus % 1) / each + 1e-9)


def most_free(nodes: Iterable[Node], need: Need, used: Collection[tuple[str, Need]]) -> Node | None:
    """The node with the most places left for such runs beside those that use it, by its id; None where none has any."""
    left = [(_left(node, need, [each for node_id, each in used if node_id == node.node_id]), node) for node in nodes]
    places, found = max(left, key=lambda each: each[0], default=(0, None))
    return found if places else None


def _left(node: Node, need: Need, used: Iterable[Need]) -> int:
    cpus, gpus = node.cpus, node.gpus
    for each in used:
        cpus, gpus = cpus - each.cpus, gpus - each.gpus
    return places_of(replace(node, cpus=max(0.0, cpus), gpus=max(0.0, gpus + 1e-9)), need)


def like_nodes(nodes: Iterable[Node], need: Need, recorded: Mapping[str, Any] | None) -> list[Node]:
    """The nodes of one arithmetic that hold such runs: those like the machine whose facts are `recorded`, else of the
    kind that holds most of them."""
    able = [node for node in nodes if not node.refusal and places_of(node, need)]
    if recorded is not None:
        return [node for node in able if _is_like(node, recorded, need)]
    kinds: dict[Kind, list[Node]] = {}
    for node in able:
        kinds.setdefault(kind_of(node, need), []).append(node)
    return max(kinds.values(), key=lambda kind: sum(places_of(node, need) for node in kind), default=[])


def refusal_of_need(nodes: Sequence[Node], need: Need, recorded: Mapping[str, Any] | None) -> str:
    """The reason why no node could hold such a run, in words."""
    usable = [node for node in nodes if not node.refusal]
    refused = " ".join(node.refusal for node in nodes if node.refusal)
    if not usable:
        why = "The cluster has no node that can compute runs."
    elif not any(places_of(node, need) for node in usable):
        most = ", ".join(f"{node.name} has {node.cpus:g} CPUs and {node.gpus:g} GPUs" for node in usable[:5])
        why = f"A run asks for {need}, and no node of the cluster has that ({most}). Ask for less, or add a node."
    else:
        kind = ", ".join(f"{name} {recorded[name]}" for name in LIKE if recorded and name in recorded)
        why = (
            f"The experiment's first run was computed with {kind}, and no node of the cluster is like that; add one, "
            "or allow unlike nodes (resources.like_nodes: false)."
        )
    return f"{why} {refused}".strip()


def kind_of(node: Node, need: Need) -> Kind:
    """What a node must share with others to compute the same numbers of such a run."""
    device = "gpu" if need.gpus else "cpu"
    own = node.arithmetic | {
        "device": node.arithmetic.get(device, ""),
        "precision": node.arithmetic.get(f"{device}_precision", "") if need.chooses_precision else "",
    }
    return tuple((name, own.get(name, "")) for name in LIKE)


def _is_like(node: Node, recorded: Mapping[str, Any], need: Need) -> bool:
    return all(recorded.get(name) in (None, value) for name, value in kind_of(node, need) if value)
