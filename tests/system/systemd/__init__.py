"""Tests under a real systemd, booted within this machine."""
