"""Self-Taught Evaluators (arXiv 2408.02666) as a loop."""
