"""Everything that a partner whose host is taken over can drop: judged, and nothing else touched."""
