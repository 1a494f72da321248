"""The published JSON Schemas of the generic files, with examples: data, no code."""
