"""Reward models: a number for an answer, from a classifier or from the log-probabilities of a model."""
