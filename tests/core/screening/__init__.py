"""Tests of core.screening."""
