"""The page of a loop of Self-Rewarding Language Models: what it reads, and its parts."""
