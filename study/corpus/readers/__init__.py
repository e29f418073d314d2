"""One module per corpus layout, and the table of all of them."""
