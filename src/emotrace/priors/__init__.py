"""Reasoning priors: features of a clip, joined by traces whose reliability is measured, in a small fusion network.

Our reconstruction of the idea of arXiv 2508.03722, of which only the abstract, the keywords and the first lines were
known to us. What they say is marked [paper], what public code and other papers do [field], what we decided [ours].

    its losses    bdcl (Balanced Dual-Contrastive Learning); losses/ (its relatives and parts, one function a file);
                  gather (the clips of all processes as one batch)
    the network   config, fusion, injection, model, inputs, projections, outputs, contributions
    its traces    trace_vectors (sections as vectors), trace_views (what is left when verdicts are masked); trace_files
    training      clips, learner, stages, pseudo_labels, folds, protocol, label_shift; baselines/ on the same interface
    on corpora    corpus, feature_files, experiment, study, study_page, scores, results_page, submission, card
    on one video  video/
"""
