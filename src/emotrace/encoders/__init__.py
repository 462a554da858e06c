"""Signals -> `Encoded`: features with a mask. CLIP, the shipped face network and a tiny network, on one interface."""
