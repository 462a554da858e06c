"""Training that can be stopped, resumed and repeated to the byte. It knows no system: a `Learner` brings the model."""
