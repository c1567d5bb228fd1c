"""Steps with fingerprints: plan, reuse and resume."""
