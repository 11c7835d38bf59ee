"""One HTML page about a loop: what its steps have left, as figures, tables and judgements to read."""
