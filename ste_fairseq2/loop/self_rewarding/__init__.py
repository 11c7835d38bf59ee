"""Self-Rewarding Language Models (arXiv 2401.10020) as a loop."""
