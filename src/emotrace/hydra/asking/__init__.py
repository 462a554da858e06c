"""Asking a language model to propose, verify and decide: what is shown, in which words, and how its reply is read."""
