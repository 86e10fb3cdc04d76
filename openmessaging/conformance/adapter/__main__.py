"""`python -m openmessaging.conformance.adapter URL [ATTRIBUTES]`, the second a JSON object."""

import asyncio
import json
import sys

from openmessaging.conformance.adapter.whole import serve

if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], json.loads(sys.argv[2]) if len(sys.argv) > 2 else None))
