"""Other people's fusion networks, written from their description, on the interface of `PriorFusion`.

merbench    attention over utterance features, as the organisers of MER2023-2026 run it [field: MERTools]
mult        cross-modal transformers over frame features [field: arXiv 1906.00295]
search      the same budget of random settings for each
"""
