"""The runtime interface: what applications import, once for asyncio (`aio`) and once for threads (`threads`)."""
