"""w2s: weak-to-strong reasoning (arXiv 2407.13647) as one resumable command."""

__version__ = "0.1.0"
