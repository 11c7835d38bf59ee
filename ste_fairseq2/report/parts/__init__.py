"""The parts of the page: each turns facts into sentences, charts and tables. Pure functions."""
