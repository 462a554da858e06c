"""Losses for few clips of many classes, as pure functions of tensors, one per file.

    on logits     cross_entropy (with logit adjustment), focal, ldam
    on vectors    supcon, bcl, dualcl, crossmodal; `emotrace.priors.bdcl` joins and extends them
    their parts   anchors (who counts how much), similarity (cosines), neighbours (means over a class)

All share four rules. A clip with label -1 or weight 0 takes no part, neither as an anchor nor as a neighbour. A batch
without any part has loss 0 and gradient 0. Vectors are taken at unit length. Arithmetic is in float32 even under
autocast, and in float64 where that is given.
"""
