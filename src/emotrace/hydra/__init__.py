"""`EvidenceSheet` to `Verdict`: our reconstruction of HyDRA (arXiv 2603.16463). Propose, verify, decide."""
