"""Other servers that `talknow bench media` measures beside ours, and the generator they share."""
