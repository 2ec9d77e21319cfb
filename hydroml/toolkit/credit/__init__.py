"""Which action earned the reward, and what to do next: redistribution of returns, tree search."""
