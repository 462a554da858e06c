"""Reasoning priors: features of a clip, joined by traces whose reliability is measured, in a small fusion network.

Our reconstruction of the idea of arXiv 2508.03722, of which only the abstract, the keywords and the first lines were
known to us. What they say is marked [paper], what public code and other papers do [field], what we decided [ours].

    its losses    bdcl (Balanced Dual-Contrastive Learning); losses/ (its relatives and parts, one function a file);
                  gather (the clips of all processes as one batch)
    the network   config, fusion, injection, model, inputs, projections, outputs, contributions
    its traces    trace_vectors (sections as vectors), trace_views (what is left when verdicts are masked)
    training      clips, learner, stages, pseudo_labels; card (it lies beside weights); baselines/ on one interface
    corpora/      protocol, folds, scores, views of the traces, trust
    video/        one video: features and trace of each stretch, reading, contributions
"""
