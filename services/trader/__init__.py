"""From predictions to orders: decides, sends, and keeps the ledger of what was asked and what came of it."""
