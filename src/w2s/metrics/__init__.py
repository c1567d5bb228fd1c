"""Numbers about models and selections. They take verdicts and counts, never a question or a gold answer."""
