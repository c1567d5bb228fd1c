"""The typed recipe: schema, files, presets, model references."""
