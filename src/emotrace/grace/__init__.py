"""GRACE: which expression a face shows, where and when: refined words aligned to moving patches by optimal transport.

Reimplementation from the abstract and one figure caption of arXiv 2507.11892; formulas, prompts and settings are
emotrace's own. What the paper says is marked [paper], what public code and other papers do [field], what we decided
[ours].

    the model     config, model (frames and words -> distribution, map, links); alignment, fusion, losses, heat,
                  inputs, outputs, pooling, words
    its words     cate (an evidence sheet -> affective words with weights); narrative, sentences, movers, actions,
                  lexicon, columns, raw_text on the way; bank (what a class looks like); affect_text, affect_trace
    its motion    motion (how much a patch moves beyond the head and the light); affine
    transport     transport (cost and marginals -> plan, of use alone); transport_* (solvers, numpy reference)
    on corpora    clips, views (what a model sees); learner, folds, experiment, study, protocol, texts, text_rows,
                  describing, asking, answers, fold_scores, fold_results, results_page, text_probe, checkpoints
    on one video  crops, windows, express, expression, observed, system
"""
