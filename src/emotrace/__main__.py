"""`python -m emotrace`, and `accelerate launch -m emotrace train grace ...`."""

from __future__ import annotations

from emotrace.cli.main import run

if __name__ == "__main__":
    run()
