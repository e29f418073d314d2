"""Features that another program made: read in the place of an encoder, and written in the same forms."""
