"""The current time, passed in so that tests can advance it instead of waiting."""

from __future__ import annotations

import time
from collections.abc import Callable


class Clock:
    """The system's clocks, in seconds."""

    #: Returns the time since the Unix epoch.
    now: Callable[[], float] = staticmethod(time.time)
    #: Returns a time that only moves forward, also if the wall clock is set.
    monotonic: Callable[[], float] = staticmethod(time.monotonic)
