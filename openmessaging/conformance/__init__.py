"""The conformance kit: what an implementation of the standard does, proven case by case; `oms conformance` runs it.

`cases/` says what must hold; `kit.py` is what cases see; `protocol.py` is how they reach an implementation, in this
process or in any language (`spec/conformance.md`); `run.py` judges; `report.py` and `page.py` write it down.
"""
