NAME = 'relative'
