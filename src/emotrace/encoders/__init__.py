"""Signals -> features.

For networks that are trained through them: CLIP, the shipped face network, a tiny network (`interface.py`). For files
of features: faces, sound and words, by embedded encoders or through transformers (`extract.py`); sentences (`text.py`).
"""
