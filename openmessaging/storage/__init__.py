"""Storage (OMOI): one append-only log, and what stands beside it: partition indexes, snapshots, the lock."""
