"""What must not be stored is taken out here, before anything is written."""
