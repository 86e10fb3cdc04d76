"""Reading signatures."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Annotated, Any

import pytest

from openmessaging import Depends, OMSRuntimeException
from openmessaging.app.signature import name_of, signature

if TYPE_CHECKING:
    from somewhere import Unknown  # type: ignore[import-not-found]


def make() -> int:
    return 1


def test_types_defaults_and_dependencies() -> None:
    def function(a: int, b: Annotated[int, "note"], c: Annotated[int, Depends(make)], d=Depends(make), e=3) -> str: ...

    found = signature(function)
    assert [(each.name, each.kind, each.depends) for each in found.parameters] == [
        ("a", int, None),
        ("b", Annotated[int, "note"], None),
        ("c", int, Depends(make)),
        ("d", Any, Depends(make)),
        ("e", Any, None),
    ]
    assert found.parameters[0].default is inspect.Parameter.empty
    assert found.parameters[4].default == 3
    assert found.result is str


def test_names_of_the_place_where_it_was_written() -> None:
    class Local: ...

    def function(a: Local) -> None: ...

    assert signature(function, {"Local": Local}).parameters[0].kind is Local
    with pytest.raises(OMSRuntimeException, match="names Local, unknown"):
        signature(function)


def test_a_name_for_type_checkers_only_is_told() -> None:
    def function(a: Unknown) -> None: ...

    with pytest.raises(OMSRuntimeException, match="Unknown"):
        signature(function)


def test_classes_and_callable_objects() -> None:
    class Pool:
        def __init__(self, size: int) -> None: ...

        def __call__(self, name: str) -> None: ...

    assert signature(Pool).parameters[0].kind is int
    assert signature(Pool(1)).parameters[0].kind is str
    assert name_of(Pool(1)) == "Pool"


def test_parameters_without_a_name_are_refused() -> None:
    def stars(*args: int) -> None: ...
    def slash(a: int, /) -> None: ...

    for function in (stars, slash):
        with pytest.raises(OMSRuntimeException, match="by its name") as caught:
            signature(function)
        assert caught.value.code == 1418
