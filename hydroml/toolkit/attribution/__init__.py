"""Which inputs made this output, and what hidden states stand for."""
