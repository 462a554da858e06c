"""The solvers behind `transport`.

arguments    what a caller may ask, and the errors otherwise
problem      what is solved: marginals, shift, error, dual value
iterations   the loop of the log-domain paths: warm-up, freezing, stopping
eager        the iteration as written; the reference in torch
clipwise     one clip after the other, without its masked rows and columns
chunked      a clip in the log domain, in blocks of rows that stay in the cache
scaling      a clip by matrix-vector products instead of exponentials
compiled     one step fused by torch.compile
triton       one step as a kernel of our own, on request only
gradients    envelope and implicit gradients
reference    the same in numpy float64: oracle of the tests, inference without torch
"""
