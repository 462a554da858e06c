"""GRACE: which expression a face shows, where and when: refined words aligned to moving patches by optimal transport.

Reimplementation from the abstract and one figure caption of arXiv 2507.11892; formulas, prompts and settings are
emotrace's own. What the paper says is marked [paper], what public code and other papers do [field], what we decided
[ours].

    the model     config, model (frames and words -> distribution, map, links); alignment, fusion, losses, heat,
                  inputs, outputs, pooling
    its motion    motion (how much a patch moves beyond the head and the light); affine
    its words     cate (an evidence sheet -> affective words with weights); language/ on the way
    transport     transport (cost and marginals -> plan, of use alone); sinkhorn/ solves it
    training      clips, views (what a model sees); learner, checkpoints
    corpora/      protocol, texts, folds, scores, studies
    video/        one video: crops, windows, maps, readings
"""
