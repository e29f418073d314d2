"""The report of a study: figures, comparisons, pictures and pages."""
