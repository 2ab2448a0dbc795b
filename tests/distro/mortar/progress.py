"""Progress lines and the one exception that a user is meant to read."""

import sys
import time

_START = time.monotonic()


class Failure(Exception):
    """Something that the user can act on; its text names the subject and the remedy."""


def say(text):
    print(f"[{time.monotonic() - _START:6.1f}s] {text}", file=sys.stderr, flush=True)
