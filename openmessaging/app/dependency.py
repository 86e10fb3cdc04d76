"""What a parameter of a listener may depend on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec


class Depends(msgspec.Struct, frozen=True):
    """Marks a parameter whose value a function makes: `session: Annotated[Session, Depends(open_session)]`.

    The function may be a plain one (it runs in the event loop and must not block), a coroutine function, or a generator
    of either kind, whose code after `yield` runs when the listener has ended, before the message is acknowledged. Its
    own parameters are filled in as a listener's are: the message, its context, the app, other dependencies. The marker
    of FastAPI means the same here.
    """

    dependency: Callable[..., Any]
    use_cache: bool = True
    """Whether all who depend on the function share one value per message."""


def marker(of: object) -> Depends | None:
    """The dependency that a piece of an annotation, or a default, marks; also one of FastAPI's kind."""
    if isinstance(of, Depends):
        return of
    if type(of).__name__ == "Depends":
        function, cached = getattr(of, "dependency", None), getattr(of, "use_cache", True)
        if callable(function):
            return Depends(function, bool(cached))
    return None
