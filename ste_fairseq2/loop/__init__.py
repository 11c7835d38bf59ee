"""Rounds of the whole method; every stage is a process of its own, started by its command line."""
