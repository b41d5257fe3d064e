"""Trade flow of recordings and aggTrades files: the article's laws, what we add to them, and their report.

What the service fits live lies in `services.features.flow`; this package reads files, compares and explains.
"""
