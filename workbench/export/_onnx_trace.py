"""From a network to a graph of ONNX operators, before any choice of number formats.

The exporter of torch does it (https://docs.pytorch.org/docs/stable/onnx_export.html), on a copy in which each module
that rounds activations leaves a mark in the graph instead: an operator `workbench::Rounded` that names the module.
`_onnx_rounding` puts operators of ONNX in its place.
"""

from __future__ import annotations

import ast
import contextlib
import io
import logging
import re
import warnings
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from workbench.activations import activation_formats, exact_activations, output_formats
from workbench.context import Progress
from workbench.errors import Refused
from workbench.export._onnx_packages import exporter
from workbench.exporting import Source
from workbench.network import clone

if TYPE_CHECKING:
    import onnx_ir as ir
    from torch.export import ExportedProgram

DOMAIN, ROUNDED = "workbench", "Rounded"
READS, PUTS_OUT = "reads", "puts out"
"""Which activations of a module a mark stands for."""
OPSET = 21
"""The first with whole numbers of 4 bits."""
INPUT, OUTPUT = "images", "scores"
_SCOPES = "pkg.torch.onnx.name_scopes"


def traced(source: Source) -> ir.Model:
    """Return the network as operators of ONNX; raises `Refused` for what ONNX or the exporter cannot express."""
    exporter()
    _check_names(source.model)
    source.report(Progress(0.0, "tracing the network"))
    program = _program(_marked(clone(source.model).eval()), source.example)
    source.report(Progress(0.3, "translating to operators of ONNX"))
    model = _translated(program)
    for node in model.graph:
        layer = _layer_of(node)
        node.metadata_props.clear()  # they hold the paths of source files
        node.metadata_props["layer"] = layer
    return model


def _check_names(model: nn.Module) -> None:
    """The exporter of torch writes code with the names of modules in it."""
    for name, _ in model.named_modules():
        if odd := next((part for part in name.split(".") if part and not part.replace("_", "a").isalnum()), None):
            raise Refused(
                f"the module {name!r} cannot be written as ONNX: expected letters, digits and underscores in its name, "
                f"got {odd!r}; rename it, or export the packed file or code"
            )


def _marked(model: nn.Module) -> nn.Module:
    """Let each module that rounds what it reads or puts out leave a mark there, in place."""
    for name in activation_formats(model):
        model.get_submodule(name).register_forward_pre_hook(_mark_input(name))
    for name in output_formats(model):
        model.get_submodule(name).register_forward_hook(_mark_output(name))
    return model


def _mark_input(name: str) -> Callable[[nn.Module, tuple[Any, ...]], tuple[Any, ...] | None]:
    def hook(_layer: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...] | None:
        if not inputs or not isinstance(inputs[0], Tensor) or not inputs[0].is_floating_point():
            return None
        return (_mark(inputs[0], name, READS), *inputs[1:])

    return hook


def _mark_output(name: str) -> Callable[[nn.Module, tuple[Any, ...], Any], Tensor | None]:
    def hook(_module: nn.Module, _inputs: tuple[Any, ...], output: Any) -> Tensor | None:
        floating = isinstance(output, Tensor) and output.is_floating_point()
        return _mark(output, name, PUTS_OUT) if floating else None

    return hook


def _mark(x: Tensor, name: str, side: str) -> Tensor:
    attributes: dict[str, Any] = {"layer": name, "side": side}
    return torch.onnx.ops.symbolic(f"{DOMAIN}::{ROUNDED}", (x,), attributes, dtype=x.dtype, shape=x.shape, version=1)


def _program(model: nn.Module, example: Tensor) -> ExportedProgram:
    place = _Place(model)
    batch = ({0: torch.export.Dim("batch", min=1)},)
    try:
        with _quiet(), exact_activations(), torch.no_grad():
            return torch.export.export(model, (example,), dynamic_shapes=batch, strict=False)
    except Exception as error:  # a user's network may fail in any way; the sentence carries what it said
        raise Refused(_why(error, place.name)) from error


class _Place:
    """Which module of a network is being called."""

    def __init__(self, model: nn.Module) -> None:
        self._stack: list[str] = []
        for name, module in model.named_modules():
            if name:
                module.register_forward_pre_hook(self._enter(name))
                module.register_forward_hook(self._leave)

    @property
    def name(self) -> str:
        """The innermost module that was entered and not left."""
        return self._stack[-1] if self._stack else ""

    def _enter(self, name: str) -> Callable[..., None]:
        return lambda *_: self._stack.append(name)

    def _leave(self, *_: Any) -> None:
        self._stack.pop()


def _why(error: Exception, place: str) -> str:
    where = f"the module {place}" if place else "the network"
    kind, text = type(error).__name__, str(error)
    if kind == "GuardOnDataDependentSymNode":
        return (
            f"{where} decides by the values of the images what to compute (data-dependent control flow or shapes), "
            "which a graph of operators cannot hold: write it with torch.where, or export the packed file"
        )
    if "Constraints violated" in text:
        return (
            "the network computes for one number of images only, expected any number in the first dimension: replace "
            "the fixed number (as in x.reshape(2, -1) or a loop over images) by -1 or len(x)"
        )
    return (
        f"{where} cannot be traced for ONNX ({kind}: {text.strip().splitlines()[0][:200] if text.strip() else ''}): "
        "write its forward with operations of torch alone, or export the packed file"
    )


def _translated(program: ExportedProgram) -> ir.Model:
    try:
        with _quiet():
            found = torch.onnx.export(
                program,
                dynamo=True,
                optimize=False,
                opset_version=OPSET,
                input_names=[INPUT],
                output_names=[OUTPUT],
                verbose=False,
            )
    except torch.onnx.OnnxExporterError as error:
        raise Refused(_why_not(error, program)) from error
    if found is None:
        raise TypeError("torch.onnx.export returned nothing, which only its older form does")
    return found.model


def _why_not(error: BaseException, program: ExportedProgram) -> str:
    """Return the sentence for an operator that ONNX does not have; the innermost cause names it."""
    text = str(_innermost(error))
    operator = re.search(r"op='([\w.:]+)'", text)
    node = re.search(r"translating node %(\w+)", f"{error} {error.__cause__}")
    place = _place_of(node.group(1), program) if node else ""
    where = f"the module {place}" if place else "the network"
    if operator:
        return (
            f"{where} computes {operator.group(1).replace('prims.', '').replace('aten.', '')}, which ONNX has no "
            "operator for: compute it otherwise, or export the packed file or the torch program"
        )
    return f"{where} cannot be written as ONNX ({text.splitlines()[0][:200]}): export the packed file or the program"


def _innermost(error: BaseException) -> BaseException:
    while error.__cause__ is not None:
        error = error.__cause__
    return error


def _place_of(node: str, program: ExportedProgram) -> str:
    """Return the path of the module that a node came from; decomposed, it may have lost the front of its name."""
    for found in program.graph.nodes:
        if found.name.endswith(node):
            stack = list(found.meta.get("nn_module_stack", {}).values())
            return str(stack[-1][0]) if stack else ""
    return ""


def _layer_of(node: ir.Node) -> str:
    """Return the path of the module that a node came from; "" outside of any, or where nobody knows."""
    scopes = ast.literal_eval(node.metadata_props.get(_SCOPES, "[]"))
    return str(scopes[-2]) if len(scopes) > 1 else ""


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep what the exporter says to itself off the screen: what goes wrong is raised."""
    logging.disable(logging.WARNING)
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)
