"""The runtime interface for asyncio; `openmessaging.runtime.threads` is generated from it."""
