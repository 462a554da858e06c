"""Video emotion recognition that shows its evidence."""
