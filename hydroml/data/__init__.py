"""From files to a store, and from a store to arrays ready to train on."""
