"""Fixtures of all tests."""

from __future__ import annotations

import sys
from pathlib import Path

# The package as it is in this folder, also if another copy is installed.
sys.path.insert(0, str(Path(__file__).parent.parent / "src"))

pytest_plugins = ["auth_verifier.pytest_plugin"]
