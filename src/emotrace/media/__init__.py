"""File to `Clip`: pictures, faces, sound and words with their times. Nothing is trained here."""
