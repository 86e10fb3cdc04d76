"""Routing: what a route is made of.

await manager.create_routing("big", "orders", "audit", [oms.routing.Filter("amount > 1000")])
"""

from openmessaging.model.routing import (
    Assign,
    Deduplicate,
    Explanation,
    Filter,
    Operator,
    Route,
    RouteInfo,
    Sample,
    Transform,
    Verdict,
)

__all__ = [
    "Assign",
    "Deduplicate",
    "Explanation",
    "Filter",
    "Operator",
    "Route",
    "RouteInfo",
    "Sample",
    "Transform",
    "Verdict",
]
