"""`Analysis` to one self-contained HTML file."""
