"""The squared gradients of many documents from one pass over all of them.

Autograd sums gradients over whatever went through the model together. Each layer's weight gradient is a product of
what went in and of the gradient of what came out (Goodfellow 2015, "Efficient per-example gradient computations",
https://arxiv.org/abs/1510.01799); both are recorded here, and the product is taken document by document.
"""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D


@dataclass(frozen=True, eq=False)
class Documents:
    """Which tokens belong to which document. Tokens stand in the order of the documents."""

    sizes: tuple[int, ...]
    """Tokens of each."""

    def spans(self) -> Iterator[slice]:
        start = 0
        for size in self.sizes:
            yield slice(start, start + size)
            start += size

    def sums(self, values: Tensor) -> Tensor:
        """Float32 [documents, …]: `values` [tokens, …] summed within each document."""
        owner = torch.repeat_interleave(torch.tensor(self.sizes, device=values.device))
        total = torch.zeros((len(self.sizes), *values.shape[1:]), device=values.device)
        return total.index_add_(0, owner, values.float())


@dataclass(frozen=True, eq=False)
class Use:
    """One use of a layer: what went in and the gradient of what came out, both [tokens, …]."""

    layer: torch.nn.Module
    inputs: Tensor
    gradient: Tensor
    documents: Documents


class SquaredGradients:
    """Σ_d (∇ loss of document d)², by weight, gathered from the uses of layers.

    `weights` are the model's by name, tied ones once, and `total` are float32 tensors of their shapes, added to.
    """

    def __init__(self, weights: Mapping[str, torch.nn.Parameter], total: Mapping[str, Tensor]) -> None:
        self._total = {id(weight): total[name] for name, weight in weights.items()}
        self._pending: dict[int, list[Use]] = {}
        self._expected: dict[int, int] = {}

    def wants(self, layer: torch.nn.Module) -> bool:
        """Whether any weight of its own is among those to sum: none is where the layer is frozen."""
        return any(id(weight) in self._total for weight in layer.parameters(recurse=False))

    def expect(self, layer: torch.nn.Module) -> None:
        """A use of `layer` will be added: a weight with several is squared after the last of them."""
        for weight in layer.parameters(recurse=False):
            self._expected[id(weight)] = self._expected.get(id(weight), 0) + 1

    def add(self, use: Use) -> None:
        if not self.wants(use.layer):
            return
        if isinstance(use.layer, torch.nn.Linear | Conv1D | torch.nn.Embedding):
            self._add_matrix(use, use.layer.weight)
            bias = getattr(use.layer, "bias", None)
            if isinstance(bias, Tensor):
                self._square(bias, use.documents.sums(use.gradient))
        elif isinstance(use.layer, torch.nn.LayerNorm):
            self._add_norm(use.layer, use)
        else:
            self._add_other(use)

    def _add_matrix(self, use: Use, weight: Tensor) -> None:
        uses = self._pending.setdefault(id(weight), [])
        uses.append(use)
        self._expected[id(weight)] -= 1
        if self._expected[id(weight)] or id(weight) not in self._total:
            return
        del self._pending[id(weight)], self._expected[id(weight)]
        if len(uses) == 1 and isinstance(use.layer, torch.nn.Embedding):
            self._add_rows(use, weight)
            return
        uses.sort(key=lambda each: isinstance(each.layer, torch.nn.Embedding))
        buffer = torch.empty(weight.shape, dtype=uses[0].gradient.dtype, device=weight.device)
        total = self._total[id(weight)]
        for spans in zip(*(each.documents.spans() for each in uses), strict=True):
            for number, (each, span) in enumerate(zip(uses, spans, strict=True)):
                _product_into(buffer, each, span, first=number == 0)
            total.addcmul_(buffer, buffer)

    def _add_rows(self, use: Use, weight: Tensor) -> None:
        """An embedding's gradient has few rows: one for each token that a document holds."""
        sizes = torch.tensor(use.documents.sizes, device=weight.device)
        owner = torch.repeat_interleave(sizes)
        pairs, inverse = torch.unique(owner * len(weight) + use.inputs, return_inverse=True)
        rows = torch.zeros(len(pairs), weight.shape[1], device=weight.device)
        rows.index_add_(0, inverse, use.gradient.float())
        self._total[id(weight)].index_add_(0, pairs % len(weight), rows.square_())

    def _add_norm(self, layer: torch.nn.LayerNorm, use: Use) -> None:
        if layer.weight is not None:
            plain = F.layer_norm(use.inputs.float(), layer.normalized_shape, eps=layer.eps)
            self._square(layer.weight, use.documents.sums(use.gradient.float() * plain))
        if layer.bias is not None:
            self._square(layer.bias, use.documents.sums(use.gradient))

    def _add_other(self, use: Use) -> None:
        """Any other layer is run again on each document alone."""
        weights = dict(use.layer.named_parameters(recurse=False))
        for span in use.documents.spans():
            with torch.enable_grad():
                own = {name: weight.detach().requires_grad_() for name, weight in weights.items()}
                output = torch.func.functional_call(use.layer, own, (use.inputs[span],))
                found = torch.autograd.grad(output, list(own.values()), use.gradient[span].to(output.dtype))
            for weight, gradient in zip(weights.values(), found, strict=True):
                self._square(weight, gradient[None])

    def _square(self, weight: Tensor, gradients: Tensor) -> None:
        """Add gradients [documents, …] of a weight that has one use."""
        if id(weight) in self._total:
            self._total[id(weight)] += gradients.square().sum(0)


def _product_into(buffer: Tensor, use: Use, span: slice, first: bool) -> None:
    """Write (or add, where not `first`) one document's gradient of the layer's matrix."""
    inputs, gradient = use.inputs[span], use.gradient[span]
    if isinstance(use.layer, torch.nn.Embedding):
        if first:
            buffer.zero_()
        buffer.index_add_(0, inputs, gradient.to(buffer.dtype))
        return
    left, right = (inputs.T, gradient) if isinstance(use.layer, Conv1D) else (gradient.T, inputs)
    if first:
        torch.mm(left, right, out=buffer)
    else:
        buffer.addmm_(left, right)


@contextmanager
def recorded(model: PreTrainedModel, order: Tensor, documents: Documents, found: SquaredGradients) -> Iterator[None]:
    """Inside the block, a forward pass through the backbone and the backward pass after it add to `found`.

    `order` int64 [tokens] are positions of the flattened batch, by document. The weights themselves need no gradient
    meanwhile, so autograd computes none.
    """

    def after(layer: torch.nn.Module, inputs: tuple[Any, ...], output: Tensor) -> Tensor:
        if not output.requires_grad:
            output = output.detach().requires_grad_()
        # The hook below must not hold `output`, which holds the hook: nothing would ever free the two.
        rows = len(output)
        went_in = _by_document(inputs[0].detach(), rows, order)
        found.expect(layer)

        def arrived(gradient: Tensor) -> None:
            came = _by_document(gradient, rows, order)
            whole = torch.is_floating_point(went_in)
            found.add(Use(layer, went_in.to(came.dtype) if whole else went_in, came, documents))

        output.register_hook(arrived)
        return output

    layers = [module for module in model.base_model.modules() if found.wants(module)]
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    with ExitStack() as stack:
        for layer in layers:
            stack.callback(layer.register_forward_hook(after).remove)
        stack.callback(lambda: [weight.requires_grad_(True) for weight in weights])
        for weight in weights:
            weight.requires_grad_(False)
        yield


def _by_document(values: Tensor, rows: int, order: Tensor) -> Tensor:
    """`values` of a layer whose output has `rows` rows, with its tokens in the order of the documents."""
    if len(values) != rows:
        values = values.expand(rows, *values.shape[1:])
    return values.flatten(0, 1).index_select(0, order)
