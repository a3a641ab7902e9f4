"""Features of items: made from tags, text or vectors (`rcekd data features`), kept in a file, attached to a dataset.

making (what is asked for) -> terms (how often an item has each tag or word) -> reduce (tf-idf and truncated SVD: a
vector per item) -> table (the file) -> attach.
"""
