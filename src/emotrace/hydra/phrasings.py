from typing import Literal
Split = Literal["train","held_out"]
def phrase(cue, rng, split):
    return "one thing was noted here"
