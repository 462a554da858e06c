"""GRACE on a corpus.

protocol, experiment     which clips, which settings
texts, text_rows, describing, asking      where the clips' words come from
folds, study             train and test, fold by fold, arm by arm
answers, fold_scores, fold_results, results_page      what came out
"""
