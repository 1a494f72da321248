"""Tests of core.envelope."""
