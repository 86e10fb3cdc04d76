"""For tests of applications: the real engine in memory, on a clock that the test moves."""

from openmessaging.testing.app import Call, TestApp

__all__ = ["Call", "TestApp"]
