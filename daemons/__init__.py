"""The four daemons. They never import each other: they speak through rows and directories."""
