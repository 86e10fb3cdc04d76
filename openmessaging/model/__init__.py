"""Types, messages, batches, errors and the driver interface: what every other part of the library speaks."""
