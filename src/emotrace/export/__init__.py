"""`Analysis` to the files people use."""
