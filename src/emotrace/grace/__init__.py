"""GRACE: which expression a face shows, where and when: refined words aligned to moving patches by optimal transport.

Reimplementation from the abstract and one figure caption of arXiv 2507.11892; formulas, prompts and settings are
emotrace's own. What the paper says is marked [paper], what public code and other papers do [field], what we decided [ours].

    cate.py       an evidence sheet -> affective words with weights
    motion.py     frames -> how much each patch moves beyond the head and the light
    transport.py  cost and marginals -> transport plan (also of use alone)
    model.py      frames and words -> distribution, heat map, word-patch links
"""
