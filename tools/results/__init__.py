"""Every figure the project claims: recipes, their runs, and the page of results."""
