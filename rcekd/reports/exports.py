"""What an export came to, for people."""

from typing import Any

from rcekd.reports.table import Table


def export_table(card: dict[str, Any], folder: str) -> Table:
    """Files and sizes; below, how far the copies agree with the model."""
    rows = [(name, f"{entry['bytes']:,}", entry["what"]) for name, entry in card["files"].items()]
    notes = [f"{card['model']}, {card['data']['name']}; lists leave out what a user has met: {card['seen']}"]
    notes += [
        f"{name}: scores differ by at most {parity['largest_difference']:.1e} of the largest; "
        f"of {parity['rows']} lists {parity['lists_with_other_items']} name other items"
        for name, parity in card["onnx"].items()
    ]
    if "index" in card:
        found = card["index"]
        notes.append(
            f"index.usearch: finds {found['recall']:.1%} of the exact top {found['top']} of {found['rows']} users"
        )
    fold_in = card["fold_in"]
    notes.append(
        f"new users: by a map with the usual ridge {fold_in['ridge']:g}, as no validation item was there to choose by"
        if fold_in["valid_ndcg@10"] is None
        else f"new users: NDCG@10 {fold_in['valid_ndcg@10']:.4f} on validation by a folded-in vector, "
        f"{fold_in['valid_ndcg@10_trained']:.4f} by the trained one"
    )
    notes += ["model_card.md says all of it", f"try it: python {folder}/score.py USER"]
    return Table(folder, ("file", "bytes", "what"), rows, notes)
