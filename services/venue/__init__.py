"""A local Binance USD-M: its protocol, its refusals and its clock, over a recorded market."""
