"""The verbs as functions; `w2s` gives them."""
