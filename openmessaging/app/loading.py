"""Finding an app by `module:name`."""

from __future__ import annotations

import importlib
import os
import sys

from openmessaging.app.application import App
from openmessaging.model.errors import error


def load(target: str) -> App:
    """The app of `module:name` (the name is `app` when left out), looked for in the current directory, too.

    Raises OMSRuntimeException 1418 when there is none, and what the module raises.
    """
    name, _, attribute = target.partition(":")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as cause:
        if cause.name != name and not name.startswith(f"{cause.name}."):
            raise
        step = "Name it as in an import, and run this where it can be imported"
        raise error(1418, f"there is no module {name}", next_step=step, field="target") from cause
    found: object = module
    for part in (attribute or "app").split("."):
        found = getattr(found, part, None)
    if not isinstance(found, App):
        raise error(1418, f"{target} is no oms.App", next_step="Write module:name", field="target")
    return found
