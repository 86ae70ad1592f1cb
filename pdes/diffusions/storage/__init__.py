"""Files of what is asked of sets in a box: fields, currents, transitions, first passages, modes."""
