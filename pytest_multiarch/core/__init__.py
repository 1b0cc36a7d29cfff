"""Values and decisions: pure functions over plain data, importing the standard library only."""
