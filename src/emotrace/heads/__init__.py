"""The learned heads: a face crop, a stretch of voice, a sentence -> calibrated numbers. Small, shipped, no torch."""
