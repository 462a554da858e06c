"""Many files: a batch that can be killed at any moment and goes on where it was, on this machine or a Ray cluster.

Read `run.py` first. `inputs` says which files, `job` how each is analysed, `work` does one, `workers` and `on_ray` do
many, `manifest` and `folder` keep what was done, `tables` and `summary` put it together.
"""
