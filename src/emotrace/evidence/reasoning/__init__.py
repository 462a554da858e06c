"""Reasoning traces: what a multimodal model, or the embedded observers, wrote about a clip, modality by modality.

trace.py      the record: four sections, who was asked, what it cost
prompts.py    the words of the four questions, English and Chinese (`tables/prompts.toml`)
material.py   what of a clip may be shown: pictures, sound, words; never its name
requests.py   one request per call, each holding what it is named after and nothing else
parsing.py    a reply's text made into a section, or into the reason why not
grounding.py  claims checked against what the embedded observers measured
journal.py    every reply as it came, so that nothing is asked twice
"""
