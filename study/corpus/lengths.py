"""How long an utterance may be, and from what length on it is read in parts."""

# Far above any utterance; keeps a header that lies about its length from asking for all of memory.
MAX_SECONDS = 600.0
# The memory of attention grows with the square of the length: a minute takes gigabytes, and four take tens of them.
# Longer utterances are encoded in windows of at most so many seconds, a core and its context on both sides.
CORE_SECONDS, CONTEXT_SECONDS = 30.0, 5.0
WHOLE_SECONDS = CORE_SECONDS + 2 * CONTEXT_SECONDS
