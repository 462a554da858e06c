"""GRACE on one video: crops, windows, express (one window -> `Expression`), observed (findings), system (all of it)."""
