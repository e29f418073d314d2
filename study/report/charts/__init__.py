"""Charts of a study's search and results: each function draws one and gives the figure; `svg` gives its text."""
