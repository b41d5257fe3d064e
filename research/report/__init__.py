"""What was found about a market, as one page: tables, pictures and plain words. Data in, bytes out; pure."""
