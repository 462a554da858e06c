"""Corpora as their owners lay them out on disk, one per file; and `verify`, which says whether a copy can be trusted.

from emotrace.datasets.corpora import open_corpus

for example in open_corpus("meld", "/data/MELD").examples(split="test"):
    example.target.labels, example.clip_input()
"""
