"""Callbacks: the server posts messages to programs that asked for it, at addresses that the operator allows."""
