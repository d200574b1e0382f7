"""Written language: labels, rules of transcripts, languages, n-grams, scorers."""
