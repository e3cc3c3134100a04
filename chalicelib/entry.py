"""Where Lambda enters: the application, with its clients made while the function starts.

Importing `app` reads nothing and connects to nothing; this module is the program's start and does both, at the one
time when Lambda gives a whole processor and no patient waits.
"""

from app import after_receipt, app
from chalicelib.wiring import warm

__all__ = ["after_receipt", "app"]

warm()
