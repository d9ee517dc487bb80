"""The language of attribute mappings: its syntax, its table of functions, the interpreter and the compiler."""
