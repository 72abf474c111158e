"""Plants one deliberate mistake in a module: for a while its functions and methods run the changed source."""

import ast
import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import pytest


@dataclass(frozen=True)
class Mutant:
    """A mistake: passages of a module's source, each of which stands there once, and what stands there instead."""

    module: ModuleType
    edits: tuple[tuple[str, str], ...]
    oracle: Callable[..., None]
    """The test that must fail. It may ask for `tmp_path` and `monkeypatch`."""
    arguments: tuple[tuple[str, Any], ...] = ()
    """Further arguments of the test: its parametrised ones."""


def mutant(module: ModuleType, old: str, new: str, oracle: Callable[..., None], **arguments: Any) -> Mutant:
    """A mistake in one passage."""
    return Mutant(module, ((old, new),), oracle, tuple(arguments.items()))


@contextmanager
def planted(mistake: Mutant) -> Iterator[None]:
    """Inside the block the module runs its changed source.

    The code of the very function objects that exist is exchanged, so that every user meets it whatever way it was
    imported: functions, methods, static and class methods, properties, and what a decorator wraps. Constants and
    default values whose expression has changed are exchanged too; what was made from a constant on import is not.
    Fails where a passage no longer stands in the source exactly once, and where the change reaches nothing.
    """
    module = mistake.module
    source = Path(inspect.getfile(module)).read_text(encoding="utf-8")
    changed = source
    for old, new in mistake.edits:
        assert changed.count(old) == 1, f"{old!r} no longer stands once in {module.__name__}"
        changed = changed.replace(old, new)
    functions = list(_functions(module))
    with pytest.MonkeyPatch.context() as patch:
        reached = _exchange_codes(functions, source, changed, module, patch)
        reached += _exchange_values(functions, source, changed, module, patch)
        assert reached, f"the change of {module.__name__} reaches no function and no constant"
        _forget_cached_results(module)
        yield
    _forget_cached_results(module)


def _exchange_codes(
    functions: list[FunctionType], source: str, changed: str, module: ModuleType, patch: pytest.MonkeyPatch
) -> int:
    before, after = _codes(source, str(module.__file__)), _codes(changed, str(module.__file__))
    reached = 0
    for function in functions:
        name = function.__code__.co_qualname
        found = [number for number, code in enumerate(before.get(name, [])) if code == function.__code__]
        if found and after[name][found[0]] != function.__code__:
            patch.setattr(function, "__code__", after[name][found[0]])
            reached += 1
    return reached


def _codes(source: str, file: str) -> dict[str, list[CodeType]]:
    """Every code object of a module by its qualified name, in the order of the source."""
    found: dict[str, list[CodeType]] = {}
    waiting = [compile(source, file, "exec", dont_inherit=True)]
    while waiting:
        code = waiting.pop(0)
        found.setdefault(code.co_qualname, []).append(code)
        waiting += [each for each in code.co_consts if isinstance(each, CodeType)]
    return found


def _exchange_values(
    functions: list[FunctionType], source: str, changed: str, module: ModuleType, patch: pytest.MonkeyPatch
) -> int:
    """Constants of the module, wherever they were imported, and default values of its functions."""
    before, after = _values(source), _values(changed)
    by_name = {function.__qualname__: function for function in functions}
    reached = 0
    for (kind, name), node in after.items():
        if ast.dump(before[kind, name]) == ast.dump(node):
            continue
        value = eval(compile(ast.Expression(node), str(module.__file__), "eval"), module.__dict__)
        reached += 1
        if kind == "default":
            patch.setattr(by_name[name], "__defaults__", value)
            continue
        original = module.__dict__[name]
        for user in list(sys.modules.values()):
            ours = getattr(user, "__name__", "").partition(".")[0] in ("engine", "tests")
            if ours and user.__dict__.get(name) is original:
                patch.setattr(user, name, value)
    return reached


def _values(source: str) -> dict[tuple[str, str], ast.expr]:
    """Expressions of module constants by name, and those of functions' default values as one tuple."""
    found: dict[tuple[str, str], ast.expr] = {}

    def look(nodes: list[ast.stmt], prefix: str) -> None:
        for node in nodes:
            if isinstance(node, ast.ClassDef):
                look(node.body, f"{prefix}{node.name}.")
            elif isinstance(node, ast.FunctionDef) and node.args.defaults:
                defaults = ast.Tuple(node.args.defaults, ast.Load())
                found["default", prefix + node.name] = ast.fix_missing_locations(ast.copy_location(defaults, node))
            elif isinstance(node, ast.Assign) and not prefix:
                targets = node.targets[0].elts if isinstance(node.targets[0], ast.Tuple) else [node.targets[0]]
                values = node.value.elts if isinstance(node.value, ast.Tuple) and len(targets) > 1 else [node.value]
                for target, value in zip(targets, values, strict=False):
                    if isinstance(target, ast.Name):
                        found["constant", target.id] = value

    look(ast.parse(source).body, "")
    return found


def _functions(module: ModuleType) -> Iterator[FunctionType]:
    """Every function object that the module defines, once, whatever wraps it and whatever class holds it."""
    seen: set[int] = set()
    waiting: list[Any] = list(vars(module).values())
    while waiting:
        each = waiting.pop()
        if id(each) in seen or isinstance(each, ModuleType):
            continue
        seen.add(id(each))
        if isinstance(each, FunctionType):
            if each.__module__ == module.__name__:
                yield each
        elif isinstance(each, type) and each.__module__ == module.__name__:
            waiting += vars(each).values()
        waiting += _held_by(each)


def _held_by(holder: Any) -> list[Any]:
    """The functions inside a property, a static or class method, or a decorated function."""
    if isinstance(holder, property):
        return [holder.fget, holder.fset, holder.fdel]
    if isinstance(holder, cached_property):
        return [holder.func]
    if isinstance(holder, staticmethod | classmethod | FunctionType) or hasattr(holder, "cache_clear"):
        return [getattr(holder, "__func__", None), getattr(holder, "__wrapped__", None)]
    return []


def _forget_cached_results(module: ModuleType) -> None:
    for each in vars(module).values():
        if callable(forget := getattr(each, "cache_clear", None)):
            forget()
