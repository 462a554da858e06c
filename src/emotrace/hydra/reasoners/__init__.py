"""One reasoner per file."""
