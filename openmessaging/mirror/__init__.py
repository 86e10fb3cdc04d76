"""Moving queues from one messaging system to another, whichever they are, and comparing them.

from openmessaging.mirror import Mirror, compare
"""

from openmessaging.mirror.comparing import Difference, compare
from openmessaging.mirror.mirror import Mirror
from openmessaging.mirror.plan import Plan, Step

__all__ = ["Difference", "Mirror", "Plan", "Step", "compare"]
