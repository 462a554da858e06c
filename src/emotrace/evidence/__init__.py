"""`Clip` to `EvidenceSheet`: measured signals put into words."""
