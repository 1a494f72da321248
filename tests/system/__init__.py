"""Tests of the whole: crashes, lost commits, end to end."""
