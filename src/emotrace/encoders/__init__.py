"""Signals -> features.

For networks that are trained through them, frame by frame and word by word (`Encoded`: features with a mask):

    interface, encoded, tokens    what an encoder offers, what it gives
    registry, choices             encoders by name: clip, embedded, tiny
    clip, clip_checkpoint         any CLIP of transformers; adaptation (LoRA, last layers, frozen, full)
    embedded, embedded_towers     the shipped face network
    tiny, towers                  a small network from scratch
    frames, words, initialise     what they share

For files of features and for traces, one vector or a row per moment:

    extract, clip_features        many clips -> files in MERTools' layout; one clip -> rows
    pictures, audio, voice        faces; HuBERT and its family; what `evidence/` measures of a voice
    text, text_hashed, text_transformers      sentences
    features, cache, checkpoints              what they share
"""
