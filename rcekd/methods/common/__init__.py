"""What several methods share: item sets, draws, list losses, experts, graphs of users and of items."""
