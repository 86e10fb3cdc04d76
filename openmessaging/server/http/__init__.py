"""HTTP: the application of a node and its listener. It stands on the runtime, unlike the rest of the server."""
