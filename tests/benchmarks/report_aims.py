"""What was wanted, and what came of it."""

from __future__ import annotations

from typing import NamedTuple


class Aim(NamedTuple):
    """Something that was wanted, and what came of it."""

    wanted: str
    measured: float
    met: bool
    unit: str = "x"
