"""Evidence -> affective words, and what else GRACE does with language.

narrative, raw_text                       a sheet as text, and text from elsewhere
sentences, movers, actions, lexicon       text -> clauses -> what the face does, by region
columns, affect_text, affect_trace        the words that a model reads, their weights, their store
words                                     which word met which patch
bank                                      what faces of a class are said to do
text_probe                                what a corpus's texts tell by themselves
"""
