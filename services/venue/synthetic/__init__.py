"""A synthetic market: seeded order flow through a price-time matching engine, as a function of the seed."""
