"""Pure decisions: from a change to an operation."""
