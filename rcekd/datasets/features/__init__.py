"""Features of items: made from tags, text or vectors (`rcekd data features`), kept in a file, attached to a dataset.

terms (what an item is tagged or described with) -> tfidf, low_rank (a vector per item) -> table (the file) -> attach.
"""
