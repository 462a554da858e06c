"""Priors on one video.

material   what each stretch gives of face, voice and words
observer   who wrote what about it
fused      what the network makes of both: the record
system     all of it, for `analyze(..., systems=[...])`
"""
