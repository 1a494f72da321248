"""Tests that mirror the code path for path."""
