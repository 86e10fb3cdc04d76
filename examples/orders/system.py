# system.py
import accounts
import desk
import dunning
import intake
import letters
import stock
import warehouse
from shop import app

__all__ = ["accounts", "app", "desk", "dunning", "intake", "letters", "stock", "warehouse"]
