"""What the programs beside this one report: each check, and the end at the first that fails."""

from __future__ import annotations

import sys


def check(condition: bool, what: str) -> None:
    if not condition:
        sys.exit(f"FAILED: {what}")
    print(f"ok: {what}")
