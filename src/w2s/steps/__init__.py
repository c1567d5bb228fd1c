"""What each step of a recipe does: files in, one file or model out. Only `supervise` and `evaluate` may import gold."""
