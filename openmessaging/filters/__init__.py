"""Conditions on messages: SQL-92 over properties and header fields, compiled to Python; see docs/design/filters.md.

condition = compile_condition("color = 'red' AND weight > 5")
condition.matches({"color": "red", "weight": 7})
"""

from openmessaging.filters.condition import Condition, compile_condition
from openmessaging.filters.expression import Expression, compile_expression

__all__ = ["Condition", "Expression", "compile_condition", "compile_expression"]
