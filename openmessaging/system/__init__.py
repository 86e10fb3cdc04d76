"""What the operating system gives: clock, randomness and disk, as interfaces with their real implementations.

Nothing above this folder touches a file or a clock by itself, so that a test can hand in simulated ones.
"""

from openmessaging.system.clock import Clock, SystemClock
from openmessaging.system.disk import Disk, File, SystemDisk

__all__ = ["Clock", "Disk", "File", "SystemClock", "SystemDisk"]
