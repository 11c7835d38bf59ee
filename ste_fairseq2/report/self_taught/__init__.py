"""The page of a loop of Self-Taught Evaluators: what it reads, and its parts."""
