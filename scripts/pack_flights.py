"""Makes openmessaging/demo/flights.json.xz: python scripts/pack_flights.py FLIGHTS.json

The source is `flights-20k.json` of the npm package vega-datasets 3.2.1: US domestic flights of early 2001, from the US
Bureau of Transportation Statistics, in the public domain.
"""

import sys
from pathlib import Path

from openmessaging.demo import data

if __name__ == "__main__":
    target = Path(data.__file__).with_name(data.PACKED)
    target.write_bytes(data.pack(data.read(sys.argv[1])))
    print(f"{target}: {target.stat().st_size:,} bytes")
