"""The tests: they mirror the code path for path; tests/system has what takes whole processes."""
