"""Historical data fetched from those who publish them: which files there are, one file whole, all of them."""
