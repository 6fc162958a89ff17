"""A bounded cache that all threads read without a lock."""

from __future__ import annotations

from typing import Generic, TypeVar

Value = TypeVar("Value")


class Cache(Generic[Value]):
    """Keeps at least the last `size / 2` and at most the last `size` values that were used.

    Two generations: once the young one is full, it becomes the old one, and the old one is dropped.
    So no step takes longer for a larger cache. Each step is one operation on a `dict`, which is
    atomic, and a lost update only costs another verification.
    """

    def __init__(self, size: int) -> None:
        self._limit = size // 2
        #: Read by the verifier directly, because a call costs as much as the look-up.
        self.young: dict[str, Value] = {}
        self._old: dict[str, Value] = {}

    def get_old(self, key: str) -> Value | None:
        """Returns a value of the old generation, and makes it young."""
        value = self._old.get(key)
        if value is not None:
            self.set(key, value)
        return value

    def set(self, key: str, value: Value) -> None:
        """Adds a value."""
        if self._limit == 0:
            return
        if len(self.young) >= self._limit:
            self._old, self.young = self.young, {}
        self.young[key] = value
