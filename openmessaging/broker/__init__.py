"""The broker: a deterministic state machine over the log, and the shell that runs it."""
