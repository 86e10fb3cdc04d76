"""The application layer: listeners by decorator, typed bodies, dependencies, middleware, health, documents.

Written on the runtime interface alone, so it works with whatever stands behind the URL.
"""
