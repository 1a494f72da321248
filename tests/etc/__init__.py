"""Tests of what operators are given."""
