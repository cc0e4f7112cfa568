import not_installed_anywhere
def go(): pass
