"""What a system lacks and the user allows, done by this process: conditions, expiry, delays, dead letters.

Written once above the SPI and on the side of consumers: the same over every driver, and no driver knows of it.
"""
