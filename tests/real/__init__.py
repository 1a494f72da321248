"""Real orders, from files to Complete and billed.

The data is public, lies outside the project in `../shared/data`, and is used with its values as
they are; `SOURCES.md` beside it says where it is from. Where it is missing, these tests skip.
"""
