"""The words of emotion. Pure Python, no torch."""
