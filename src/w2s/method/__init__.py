"""The paper's method as pure functions on answered responses: no files, no models, no gold."""
