"""What every family uses: checks of arguments, archives, progress bars, functions of users compiled or symbolic."""
