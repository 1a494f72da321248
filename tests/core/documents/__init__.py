"""The generic files: their schemas, reading and building."""
