"""Word lists: programming words with pronunciations, and words that no engine learns."""
