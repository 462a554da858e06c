"""Priors on a corpus.

corpus, feature_files, trace_files     clips, their features, their traces
experiment                             a person's choices -> arms that can run
protocol, folds, scores, label_shift   train and test, fold by fold; what came out
study, trust                           the five views of the traces; whether reliability tells right from wrong
results_page, study_page, submission   what is written
"""
