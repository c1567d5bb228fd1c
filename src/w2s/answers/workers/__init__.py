"""Worker processes that read with SymPy."""
