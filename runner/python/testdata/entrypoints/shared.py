VALUE = 'at the root'
