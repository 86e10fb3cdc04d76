# system.py
import accounts
import closing
import desk
import dunning
import intake
import letters
import prices
import stock
import warehouse
from shop import app

__all__ = ["accounts", "app", "closing", "desk", "dunning", "intake", "letters", "prices", "stock", "warehouse"]
