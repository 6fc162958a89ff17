"""The fixture `token_issuer`, which pytest finds by itself once the package is installed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .testing import TestIssuer


@pytest.fixture
def token_issuer() -> TestIssuer:
    """An issuer for a test, with a verifier that accepts its tokens."""
    from .testing import TestIssuer

    return TestIssuer()
