"""Why is it not faster? One file for each cause that is looked for."""
