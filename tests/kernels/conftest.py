"""What PySpark 4.3 answered to the same questions, recorded once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def recorded():
    return json.loads((Path(__file__).parent / "recorded.json").read_text())
