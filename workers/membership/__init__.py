"""What becomes of clients in a transaction: facts folded, rules asked, all written once."""
