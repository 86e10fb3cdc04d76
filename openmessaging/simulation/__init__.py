"""Simulated twins of what the system gives, faults included, and the runs that attack the production code with them.

Public, for tests of your own: nothing in the library imports this.
"""
