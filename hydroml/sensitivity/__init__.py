"""How floods and low flows answer to another climate: scenarios, statistics, gradients, trust."""
