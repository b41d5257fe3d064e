"""The trade flow of one symbol: its laws, its impact, and what becomes of orders resting in its book.

Numpy and one compiled kernel, pure. The service fits it each minute; `research.flow` uses the same functions.
"""
