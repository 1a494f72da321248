"""Tests of the stand-in warehouse."""
