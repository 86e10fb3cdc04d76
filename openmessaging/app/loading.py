"""Finding an app by `module:name`."""

from __future__ import annotations

import importlib
import os
import sys
import traceback

from openmessaging.app.application import App
from openmessaging.model.errors import OMSRuntimeException, error


def load(target: str) -> App:
    """The app of `module:name` (the name is `app` when left out), looked for in the current directory, too.

    Raises OMSRuntimeException 1418 when there is none, and with the file and line where importing it failed.
    """
    name, _, attribute = target.partition(":")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as cause:
        if cause.name != name and not name.startswith(f"{cause.name}."):
            raise _failed(name, cause) from cause
        step = "Name it as in an import, and run this where it can be imported"
        raise error(1418, f"there is no module {name}", next_step=step, field="target") from cause
    except OMSRuntimeException:
        raise  # says what to do
    except Exception as cause:
        raise _failed(name, cause) from cause
    found: object = module
    for part in (attribute or "app").split("."):
        found = getattr(found, part, None)
    if not isinstance(found, App):
        raise error(1418, f"{target} is no oms.App", next_step="Write module:name", field="target")
    return found


def _failed(name: str, cause: Exception) -> OMSRuntimeException:
    """What is wrong in the user's own code, and where."""
    if isinstance(cause, SyntaxError):
        where, what = f"{cause.filename}, line {cause.lineno}", cause.msg
    else:
        # The last line outside the import system: that is where it was raised.
        frames = [each for each in traceback.extract_tb(cause.__traceback__) if not each.filename.startswith("<frozen")]
        where, what = f"{frames[-1].filename}, line {frames[-1].lineno}", str(cause)
    text = f"importing {name} failed in {where}: {type(cause).__name__}: {what}"
    return error(1418, text, next_step="Mend it, and run this again", field="target")
