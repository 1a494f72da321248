"""Plain data and decisions: no input, no output, no clock. Imports the standard library alone."""
