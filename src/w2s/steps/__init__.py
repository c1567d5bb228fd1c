"""What each step of a recipe does: files in, one file or model out; and how a recipe's steps are declared (`graph`).

Gold is read by `supervise` and `evaluate` only; `sources` puts a hash of it into identities.
"""
