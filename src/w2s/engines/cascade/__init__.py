"""The transformers engine's generation."""
