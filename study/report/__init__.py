"""The report of a study: figures, comparisons, pictures and pages."""

import logging

# It complains at every start where HOME cannot be written, and draws as well without.
logging.getLogger("matplotlib").setLevel(logging.ERROR)
