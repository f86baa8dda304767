"""Makes the probes importable by their plain names, as `probes.py` run alone finds them."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
