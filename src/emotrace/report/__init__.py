"""`Analysis` to one self-contained HTML file."""

from emotrace.report.page import render, write

__all__ = ["render", "write"]
