"""The runtime interface for threads. Generated from `openmessaging.runtime.aio` by `scripts/unasync.py`, but for
`primitives.py`, `outbox.py` and `opening.py`.
"""
