"""The kit's protocol over this library: `python -m openmessaging.conformance.adapter URL` speaks it on stdio."""
