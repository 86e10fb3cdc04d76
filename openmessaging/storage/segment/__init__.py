"""Segment files: their bytes, and how they are created, read and judged after a crash."""
