"""Files of rows: reading, indexing, selection."""
