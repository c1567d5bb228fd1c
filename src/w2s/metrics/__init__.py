"""Numbers about models and selections, from verdicts and counts only."""
