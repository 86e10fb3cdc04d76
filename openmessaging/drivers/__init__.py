"""Drivers: each translates the driver SPI to one messaging system. Found through the entry points of the group
`openmessaging.drivers`."""

__all__: list[str] = []
