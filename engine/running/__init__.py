"""An experiment comes in, is checked and queued (by a page, the command line or a notebook), and its runs go to the
places that there are. It imports every room below it."""
