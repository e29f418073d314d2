"""One file for each form in which features come; `study.features.elsewhere.table` lists them."""
