"""The time of day that messages are stamped with: the machine's, or that of a test kit which puts its own in here."""

from __future__ import annotations

from time import time_ns

__all__ = ["time_ns"]
