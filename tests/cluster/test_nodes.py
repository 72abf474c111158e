from dataclasses import replace

import pytest

from engine.cluster.nodes import Need, Node, like_nodes, most_free, places_of, refusal_of, refusal_of_need

ARITHMETIC = {
    "torch": "2.13.0", "transformers": "5.23.0", "instructions": "AVX512", "cpu": "cpu (x86_64)",
    "cpu_precision": "bfloat16", "gpu": "", "gpu_precision": "",
}  # fmt: skip
A = Node("1", "a", 8, 0, ARITHMETIC)
B = Node("2", "b", 4, 2, ARITHMETIC | {"instructions": "AVX2", "gpu": "H100", "gpu_precision": "bfloat16"})
ONE, GPU, HALF = Need(1, 0), Need(1, 1), Need(1, 0.5)
VERSIONS: dict[str, str | None] = {"torch": "2.13.0", "peft": "0.21.2"}


@pytest.mark.parametrize(
    ("node", "need", "places"),
    [(A, ONE, 8), (A, Need(3, 0), 2), (A, Need(9, 0), 0), (A, GPU, 0), (B, GPU, 2), (B, HALF, 4), (B, Need(3, 0.5), 1),
     (B, Need(1, 0.3), 4), (replace(B, cpus=64), Need(1, 0.3), 6), (B, Need(1, 2), 1), (B, Need(1, 3), 0)],
)  # fmt: skip
def test_a_node_holds_as_many_runs_as_its_cpus_and_gpus_allow_and_none_lies_on_two_gpus(
    node: Node, need: Need, places: int
) -> None:
    assert places_of(node, need) == places


def test_a_run_goes_to_the_node_with_most_places_left_and_waits_where_none_is() -> None:
    used: list[tuple[str, Need]] = []
    for expected in "aaaaabababab":
        found = most_free([A, B], ONE, used)
        assert found is not None
        assert found.name == expected
        used.append((found.node_id, ONE))
    assert most_free([A, B], ONE, used) is None
    assert most_free([A, B], GPU, [("2", GPU), ("2", HALF)]) is None
    assert most_free([A, B], HALF, [("2", GPU), ("2", HALF)]) is B


def test_like_nodes_are_those_of_the_first_run_and_before_it_of_the_kind_that_holds_most() -> None:
    c = replace(B, node_id="3", name="c", cpus=6)
    assert like_nodes([A, B], ONE, None) == [A]
    assert like_nodes([A, B, c], ONE, None) == [B, c]
    assert like_nodes([A, B, c], GPU, None) == [B, c]
    first = {"torch": "2.13.0", "instructions": "AVX2", "device": "cpu (x86_64)", "precision": "bfloat16"}
    assert like_nodes([A, B], ONE, first) == [B]
    assert like_nodes([A, B], ONE, first | {"precision": "float32"}) == []
    assert like_nodes([A, B], Need(1, 0, chooses_precision=False), first | {"precision": "float32"}) == [B]
    assert like_nodes([A, replace(B, refusal="no")], ONE, first) == []


def test_a_node_without_a_package_or_with_another_version_is_refused_by_name() -> None:
    assert refusal_of("b", {"versions": VERSIONS}, VERSIONS) == ""
    other = {"torch": "2.12.0", "peft": None}
    assert refusal_of("The node b", {"versions": other}, VERSIONS) == (
        "The node b has torch 2.12.0, not 2.13.0, peft is missing, not 0.21.2; install the same requirements there."
    )
    broken = refusal_of("b", {"versions": VERSIONS, "trouble": "ImportError: no torch"}, VERSIONS)
    assert broken == "b can't compute runs (ImportError: no torch); install the same requirements there."


def test_what_no_node_can_hold_is_said_with_what_they_have() -> None:
    assert "no node that can compute runs" in refusal_of_need([], ONE, None)
    said = refusal_of_need([A, replace(B, refusal="b has torch 1.")], GPU, None)
    assert said.startswith(
        "A run asks for 1 CPU and 1 GPU, and no node of the cluster has that (a has 8 CPUs and 0 GPUs)"
    )
    assert said.endswith("b has torch 1.")
    unlike = refusal_of_need([A], ONE, {"instructions": "AVX2", "threads": 1})
    assert "was computed with instructions AVX2, and no node of the cluster is like that" in unlike
    assert "resources.like_nodes: false" in unlike
