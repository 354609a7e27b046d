"""Pure decisions: no clock, no network, no disk, no randomness. Time and entropy are arguments."""
