"""The recipe of the Debian package; `make deb`."""
