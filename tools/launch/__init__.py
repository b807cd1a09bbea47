"""Starting the several processes that some strategies need."""
